"""Run one benchmark: `python -m benchmarks overload --help`."""

import importlib
import sys

_BENCHMARKS = {
    "container": "the serving image: its size, and seconds and processor time from start to ready",
    "service": "requests a second, latency and memory over HTTP, beside FastAPI, LitServe and BentoML",
    "engine": "the ways to run the model on a CPU, without a server: speed, accuracy, batch-mates (in .venv-bench)",
    "offline": "what HTTP and the prediction log cost beside the engine alone",
    "overload": "four times the load that the service can bear: goodput, refusals, health, Retry-After",
    "log_cost": "answers a second with the prediction log, and with one that keeps nothing",
    "shadow": "live answers a second and latencies with a shadow model that scores every text, and without one",
    "lanes": "single requests beside a client that sends full batches of long texts",
    "long_texts": "accuracy of long reviews, cut and in windows",
    "log_reads": "lists of logged predictions: what each filter reads; and what their indexes cost the insert",
    "chaos": "harm to service, Postgres and disks under load: is a prediction that was acknowledged lost or doubled?",
    "scaling": "two and four replicas behind nginx: one is restarted or killed; and the model as a process of its own",
    "capacity": "reviews a second for each core, memory for each replica, Postgres for each million predictions",
    "drill": "real faults, and whether the real alerts fire, arrive at a webhook, and end",
    "log_shipping": "rows a second from the spool into Postgres, and the memory that takes",
    "log_append": "what an append to the spool takes, for each setting of SENTIMENT_SPOOL_FSYNC",
    "log_memory": "the service's memory under load while Postgres is away",
    "fit": "reviews a second in training, beside the plain Trainer example with fixed padding",
    "prepare_memory": "memory and time of sentiment-train prepare on ten million generated rows",
    "drift": "false alarms and power of the drift verdict on real reviews, beside Evidently and NannyML",
    "dashboards": "no measurement: draws what Grafana would show of a busy service, as pictures",
    "gpu": "the torch engine on a GPU: tokens a second beside its matrix peak",
}


def main() -> None:
    """Hand over to the benchmark that the first argument names."""
    name = sys.argv[1].replace("-", "_") if len(sys.argv) > 1 else ""
    if name not in _BENCHMARKS:
        listed = "\n".join(f"  {each:<12} {what}" for each, what in _BENCHMARKS.items())
        sys.exit(f"usage: python -m benchmarks NAME [options]; NAME --help tells more\n\n{listed}")
    del sys.argv[1]
    importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
