"""What answers cost: time, forward passes, padding, the cache."""

from deploy.grafana.generator.panels import above, bars, heatmap, lines, table
from deploy.grafana.generator.promql import buckets, by_process, happened, mean, quantile, rate, ratio, seldom, series

ENGINE = (
    lines(
        "Time in the service",
        "95 of 100 are done within this: tokenizing a request, waiting for an engine thread, one forward pass. A long"
        " queue: too few cores. A long inference: longer texts, or fewer cores than before.",
        "s",
        {name: quantile(0.95, f"{name}_duration_seconds") for name in ("tokenize", "queue", "inference")},
        above(0.25),
    ),
    heatmap(
        "Forward passes",
        "How many forward passes took how long. Long ones are long texts, or a processor that others use too.",
        "s",
        buckets("inference_duration_seconds"),
    ),
    lines(
        "Tokens a second",
        "What the engine computed, and as bound what it does with all its threads when nothing else runs. At the"
        " bound the queue grows.",
        "short",
        {"computed": rate("computed_tokens_total"), "bound": f"sum({series('engine_tokens_per_second')})"},
    ),
    lines(
        "Texts in a forward pass",
        "Mean. 1 is as it should be with the cpu engine, which is exact without padding; engines on GPUs batch.",
        "short",
        {"mean": mean("batch_texts")},
    ),
    lines(
        "Tokens in a forward pass",
        "Mean, without padding.",
        "short",
        {"mean": mean("batch_tokens")},
    ),
    lines(
        "Padding",
        "Tokens computed for each token asked; 1 is none. Above 1.5 a third of the work is for nothing: texts of very"
        " different lengths share batches.",
        "none",
        {"computed / asked": ratio(rate("computed_tokens_total"), rate("asked_tokens_total"))},
        above(1.5, 2),
    ),
    lines(
        "Engine threads",
        "Threads that run, by process, and how many there should be. With fewer the process is not ready.",
        "short",
        {"{{instance}}": by_process("engine_threads_alive"), "bound {{instance}}": by_process("engine_threads")},
    ),
    bars(
        "Dropped texts",
        "Texts taken from the queue uncomputed: their client had gone (cancelled), or their time was up (deadline)."
        " Many are overload.",
        "ops",
        {"{{reason}}": happened("dropped_texts_total", "reason")},
    ),
    lines(
        "Found in the cache",
        "Share of the texts whose answer was known. Low with reviews, which are seldom sent twice; high when a client"
        " repeats itself.",
        "percentunit",
        {"found": seldom(ratio(rate("cache_lookups_total", where='result="hit"'), rate("cache_lookups_total")))},
    ),
    lines(
        "Cache",
        "Bytes of answers kept, by process, below SENTIMENT_CACHE_BYTES. That is 0 unless you set it: no cache.",
        "bytes",
        {"{{instance}}": by_process("cache_bytes")},
    ),
    table(
        "Models",
        "The model of each process, by name, version and engine.",
        "short",
        {"": f"max by (instance, name, version, engine) ({series('model')})"},
        width=16,
        names={"Time": None, "Value": None},
    ),
)
