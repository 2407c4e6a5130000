"""The dashboard *Model*: what is it asked, what does it say, what does that cost, and how right is it thought to be?"""

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.panels import above, bars, below, heatmap, lines, override, stat, table
from deploy.grafana.generator.promql import (
    buckets,
    by_process,
    happened,
    judged,
    mean,
    quantile,
    quantiles,
    rate,
    ratio,
    seldom,
    series,
)

_LEAST_ACCURACY = 0.90
_THIN = override("lower|upper", custom__lineStyle={"fill": "dash", "dash": [4, 6]}, custom__fillOpacity=0)


def _bounds(metric: str) -> str:
    """Return an accuracy with the ends of its interval."""
    return judged(series(metric), "bound, model_version")


def _worst(metric: str, bound: str) -> str:
    """Return the lowest of the versions' accuracies, at one end of its interval."""
    where = f'bound="{bound}"'
    return f"min({judged(series(metric, where))})"


_NOW = (
    stat(
        "Predictions",
        "Customers' predictions in a second.",
        "ops",
        {"predictions": rate("predictions_total")},
    ),
    stat(
        "Accuracy, estimated",
        "Lower end of the 95 % interval of the accuracy on the last night's window, estimated without labels. Below"
        " 0.90 SentimentEstimatedAccuracyLow is a ticket. Empty: no night was judged yet, labels have proved it"
        " wrong, or the chosen instance does not know the newest night.",
        "percentunit",
        {"at least": _worst("estimated_accuracy", "lower")},
        below(red=_LEAST_ACCURACY),
    ),
    stat(
        "Accuracy, with labels",
        "Upper end of the 95 % interval of the accuracy on the rows with feedback. Below 0.90 SentimentAccuracyLow"
        " pages. Empty: too little feedback, or the chosen instance does not know the newest night.",
        "percentunit",
        {"at most": _worst("labelled_accuracy", "upper")},
        below(red=_LEAST_ACCURACY),
    ),
    stat(
        "Uncertain answers",
        "Share of the predictions with a score below 0.75. A rise means texts that the model does not know.",
        "percentunit",
        {"uncertain": ratio(rate("prediction_score_bucket", where='le="0.75"'), rate("prediction_score_count"))},
        above(0.15, 0.3),
    ),
    stat(
        "Engine threads missing",
        "Threads that should run and do not. From 1 on the process is neither ready nor alive, until it is started"
        " again: SentimentEngineStopped pages, and SentimentApiNotReady is a ticket.",
        "short",
        {"missing": f"sum({series('engine_threads')}) - sum({series('engine_threads_alive')})"},
        above(red=1),
    ),
    stat(
        "Versions that serve",
        "Models that serve side by side. Two of them for two hours are a ticket (SentimentTwoModelsServe): the same"
        " review may get two answers.",
        "short",
        {"versions": f"count(count by (version) ({series('model')}))"},
        above(2),
    ),
)

_ANSWERS = (
    lines(
        "Labels",
        "Share of each label among the predictions. After a step without a new model look at the dashboard Drift.",
        "percentunit",
        {"{{label}}": f"{rate('predictions_total', 'label')} / on () group_left () ({rate('predictions_total')} > 0)"},
        more={"custom": {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0}},
    ),
    heatmap(
        "Scores",
        "How many predictions had which calibrated probability of the label given. Most lie near 1; a second band"
        " below is a kind of text that the model does not know.",
        "percentunit",
        buckets("prediction_score"),
    ),
    lines(
        "Score",
        "The typical text, and the least certain tenth of them. As a share of all answers what has a score of 0.9"
        " should be right in nine of ten.",
        "percentunit",
        {"median": quantile(0.5, "prediction_score"), "least certain tenth": quantile(0.1, "prediction_score")},
        below(0.6),
    ),
    heatmap(
        "Entropies",
        "How undecided the model was, as a share of the highest possible: 0 is certain, 1 is as good as a guess.",
        "percentunit",
        buckets("prediction_entropy_ratio"),
    ),
    lines(
        "Entropy",
        "The typical text, and the most undecided tenth of them. With two labels it says the same as the score.",
        "percentunit",
        {
            "median": quantile(0.5, "prediction_entropy_ratio"),
            "most undecided tenth": quantile(0.9, "prediction_entropy_ratio"),
        },
        above(0.9),
    ),
    lines(
        "Accuracy",
        "On the window of the last night: estimated without labels, and on the rows with feedback, each with its 95 %"
        " interval. 0.90 is the least we accept (SentimentAccuracyLow, SentimentEstimatedAccuracyLow); intervals that"
        " do not meet are SentimentEstimateTooHigh.",
        "percentunit",
        {
            "estimated {{bound}} {{model_version}}": _bounds("estimated_accuracy"),
            "with labels {{bound}} {{model_version}}": _bounds("labelled_accuracy"),
        },
        below(red=_LEAST_ACCURACY),
        more={"min": None},
        overrides=(_THIN,),
    ),
)

_TEXTS = (
    lines(
        "Tokens of a text",
        "Tokens given to the model, after truncation. What an answer costs grows with them.",
        "short",
        quantiles("input_tokens", 50, 95, 99),
    ),
    lines(
        "Characters of a text",
        "Length as sent, without white space around it; 20,000 is the most that is taken.",
        "short",
        quantiles("input_characters", 50, 95, 99),
    ),
    lines(
        "Truncated",
        "Share of the texts with more tokens than the model takes; it has not seen their ends. When many are, a"
        " bundle that reads long texts in windows sees all of them.",
        "percentunit",
        {"truncated": ratio(rate("truncated_texts_total"), rate("input_tokens_count"))},
        above(0.05, 0.2),
    ),
)

_ENGINE = (
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

_SHADOW = (
    stat(
        "Shadow model",
        "The version that is tried beside the one that serves; none when there is none. Its answers are given to"
        " nobody.",
        "short",
        {"{{version}}": seldom(f"count by (version) ({series('shadow_model')} == 1)", "version")},
        width=6,
    ),
    stat(
        "Given up",
        "Processes whose shadow model failed (SentimentShadowGivenUp). Live predictions are not concerned.",
        "short",
        {"given up": f"sum({series('shadow_disabled')})"},
        above(1),
        width=6,
    ),
    stat(
        "Compared",
        "Texts that the shadow model has scored in a day, over all processes. sentiment-api shadow report says what"
        " they show.",
        "short",
        {"compared": seldom(f"sum(increase({series('shadow_compared_total')}[1d]))")},
        width=6,
    ),
    stat(
        "Waiting",
        "Texts that wait for the shadow model. It works when the processor has nothing else to do.",
        "short",
        {"waiting": f"sum({series('shadow_waiting_texts')})"},
        width=6,
    ),
    lines(
        "Same label",
        "Share of the compared texts to which both models give the same label; 0 while none is compared. Below 95 %"
        " the two are different models to a customer; sentiment-api shadow report says which is right more often.",
        "percentunit",
        {"same": seldom(ratio(rate("shadow_compared_total", where='agreement="same"'), rate("shadow_compared_total")))},
        below(0.95, 0.9),
    ),
    lines(
        "Distance of the scores",
        "Between the two models' probabilities of the label given; 0 while nothing is compared. Above 0.5 they say"
        " the opposite.",
        "percentunit",
        {
            name: seldom(f"({quantile(q, 'shadow_score_distance')} >= 0)")
            for name, q in (("median", 0.5), ("p95", 0.95))
        },
        above(0.2, 0.5),
    ),
    bars(
        "Not compared",
        "Texts chosen for the shadow model that it did not score, by reason. It gives way to live work.",
        "ops",
        {"{{reason}}": happened("shadow_dropped_total", "reason")},
    ),
)

BOARD = Board(
    name="model",
    description="What is the model asked, what does it say, what does that cost, and how right is it thought to be?",
    rows={
        "Now": _NOW,
        "Answers": _ANSWERS,
        "Texts": _TEXTS,
        "Engine": _ENGINE,
        "Shadow model": _SHADOW,
    },
)
