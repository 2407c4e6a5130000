"""The real rules and configurations, with all durations shortened and the addresses of this drill.

Durations are `for`, the ranges in brackets, offsets, and the intervals of Prometheus and Alertmanager. What a rule
compares with stays as it is: shares, ages and lags in seconds are those of the service, which is not faster here.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from benchmarks import ROOT

_DEPLOY = ROOT / "deploy"
_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RANGE = re.compile(r"(\[|\boffset )(\d+)([smhd])\b")
_INTERVALS = ("scrape_interval", "evaluation_interval", "group_wait", "group_interval", "repeat_interval")


def shortened(duration: str, factor: int) -> str:
    """Return a duration such as `5m` divided by `factor`, to the millisecond: `25000ms`."""
    return f"{int(duration[:-1]) * _MS[duration[-1]] // factor}ms"


def rules(text: str, factor: int) -> str:
    """Return a file of rules with every `for`, range and offset shortened."""
    text = _RANGE.sub(lambda found: found[1] + shortened(found[2] + found[3], factor), text)
    return re.sub(r"(?m)^( +for: )(\w+)$", lambda found: found[1] + shortened(found[2], factor), text)


def write_prometheus(folder: Path, factor: int, targets: dict[str, str]) -> None:
    """Write `prometheus.yml` and `rules/`; `targets` has host and port of each scrape job."""
    (folder / "rules").mkdir()
    for file in sorted((_DEPLOY / "prometheus/rules").glob("*.yml")):
        (folder / "rules" / file.name).write_text(rules(file.read_text(), factor))
    config = yaml.safe_load((_DEPLOY / "prometheus/prometheus.yml").read_text())
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        job.pop("authorization", None)  # this drill's service asks for no keys
    config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [targets["alertmanager"]]}]}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_hastened(config, factor)))


def write_alertmanager(folder: Path, factor: int, webhook: str) -> None:
    """Write `alertmanager.yml`. Debian's Alertmanager is too old for `url_file`, so the address stands in its place."""
    config = yaml.safe_load((_DEPLOY / "alertmanager/alertmanager.yml").read_text())
    for receiver in config["receivers"]:
        for each in receiver["webhook_configs"]:
            del each["url_file"]
            each["url"] = webhook
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(_hastened(config, factor)))


def _hastened(config: Any, factor: int) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(config, list):
        return [_hastened(each, factor) for each in config]
    if not isinstance(config, dict):
        return config
    return {
        name: shortened(value, factor) if name in _INTERVALS else _hastened(value, factor)
        for name, value in config.items()
    }
