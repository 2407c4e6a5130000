"""Run one benchmark: `python -m benchmarks overload --help`."""

import sys

from benchmarks.steps import run

STEPS = {
    "service": ("speed.serving", "requests a second, latency, memory over HTTP, beside FastAPI, LitServe and BentoML"),
    "offline": ("speed.serving", "what HTTP and the prediction log cost beside the engine alone"),
    "overload": ("speed.serving", "four times the load that the service can bear: goodput, refusals, Retry-After"),
    "lanes": ("speed.serving", "single requests beside a client that sends full batches of long texts"),
    "shadow": ("speed.serving", "what a shadow model that scores every text costs live requests"),
    "container": ("speed.serving", "the serving image: its size, and seconds and processor time from start to ready"),
    "engine": ("speed.engines", "the ways to run the model on a CPU: speed, accuracy, batch-mates (in .venv-bench)"),
    "gpu": ("speed.engines", "the torch engine on a GPU: tokens a second beside its matrix peak"),
    "long_texts": ("speed.engines", "accuracy of long reviews, cut and in windows"),
    "log_append": ("speed.prediction_log", "an append to the spool, for each setting of SENTIMENT_SPOOL_FSYNC"),
    "log_cost": ("speed.prediction_log", "answers a second with the prediction log, and with one that keeps nothing"),
    "log_reads": ("speed.prediction_log", "lists of logged predictions, and what their indexes cost the insert"),
    "log_shipping": ("speed.prediction_log", "rows a second from the spool into Postgres, and the memory that takes"),
    "capacity": ("speed.capacity", "reviews a second for each core, memory for each replica, growth of Postgres"),
    "fit": ("speed.training", "reviews a second in training, beside the plain Trainer example"),
    "prepare_memory": ("speed.training", "memory and time of sentiment-train prepare on ten million generated rows"),
    "drift": ("drift", "false alarms and power of the drift verdict on real reviews, beside Evidently and NannyML"),
    "chaos": ("harm.chaos", "harm to service, Postgres and disks: is an acknowledged prediction lost or doubled?"),
    "scaling": ("harm.scaling", "replicas behind nginx, restarted or killed; and the model as a process of its own"),
    "drill": ("harm.drill", "real faults, and whether the real alerts fire, arrive at a webhook, and end"),
    "bodies": ("harm", "bodies too large, too slow or too many: memory, and latency beside them"),
    "log_memory": ("harm", "the service's memory under load while Postgres is away"),
    "look_ups": ("harm", "feedback beside look-ups of old predictions, while Postgres is away"),
    "dashboards": ("pictures", "no measurement: draws what Grafana would show of a busy service"),
    "console_pictures": ("pictures", "no measurement: takes the pictures of docs/console.md"),
}
"""By name: the folder of the module that is named like the step, and what it shows."""


def main() -> None:
    """Run the benchmark that the first argument names."""
    name = sys.argv[1].replace("-", "_") if len(sys.argv) > 1 else ""
    if name not in STEPS:
        sys.exit(f"usage: python -m benchmarks NAME [options]; NAME --help tells more\n{_listed()}")
    sys.exit(run(name, f"benchmarks.{STEPS[name][0]}.{name}", sys.argv[2:]))


def _listed() -> str:
    """Return the names by folder, each with what it shows."""
    lines, last = [], ""
    for name, (folder, shows) in STEPS.items():
        lines += [f"\n{folder}"] if folder != last else []
        lines.append(f"  {name:<16} {shows}")
        last = folder
    return "\n".join(lines)


if __name__ == "__main__":
    main()
