"""The drill's own parts; that the alerts fire, arrive and end is what `python -m benchmarks drill` shows."""

import json
import re
from pathlib import Path

import httpx
import pytest
import yaml

from benchmarks.harm.drill import report, shortening
from benchmarks.harm.drill.faults import FAULTS
from benchmarks.harm.drill.report import Sighting
from benchmarks.harm.drill.webhook import listening

ROOT = Path(__file__).parents[3]
TARGETS = {"sentiment-api": "127.0.0.1:1", "prometheus": "127.0.0.1:2", "alertmanager": "127.0.0.1:3"}


@pytest.mark.parametrize(("duration", "shorter"), [("15s", "1250ms"), ("5m", "25000ms"), ("30h", "9000000ms")])
def test_durations_are_divided(duration: str, shorter: str) -> None:
    """A duration is divided to the millisecond."""
    assert shortening.shortened(duration, 12) == shorter


def test_only_durations_of_rules_change() -> None:
    """`for`, ranges and offsets are divided; what a rule compares with, and its other lines, stay as they are."""
    text = "    expr: rate(a[5m] offset 1h) > 60 and b < 30 * 3600\n    for: 10m\n    labels: {}\n"
    expected = "    expr: rate(a[25000ms] offset 300000ms) > 60 and b < 30 * 3600\n    for: 50000ms\n    labels: {}\n"
    assert shortening.rules(text, 12) == expected


def test_the_rules_are_the_real_ones(tmp_path: Path) -> None:
    """Every rule of `deploy/` is in the drill, and those that a fault has to set off are among them."""
    shortening.write_prometheus(tmp_path, 1, TARGETS)
    written = {file.name: yaml.safe_load(file.read_text()) for file in (tmp_path / "rules").glob("*.yml")}
    real = (ROOT / "deploy/prometheus/rules").glob("*.yml")
    assert {name: _without_durations(rules) for name, rules in written.items()} == {
        file.name: _without_durations(yaml.safe_load(file.read_text())) for file in real
    }
    assert {alert for alert, _ in FAULTS.values()} <= set(re.findall(r"'alert': '(\w+)'", str(written)))


def test_nobody_else_is_told(tmp_path: Path) -> None:
    """Every receiver of the drill calls the drill's own webhook."""
    shortening.write_alertmanager(tmp_path, 12, "http://127.0.0.1:4/")
    receivers = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())["receivers"]
    assert [each for one in receivers for each in one["webhook_configs"]] == [
        {"url": "http://127.0.0.1:4/", "send_resolved": True}
    ] * len(receivers)


def test_the_webhook_notes_what_it_is_told() -> None:
    """The first message about an alert with a status since a moment is found, and the others by name."""
    with listening() as webhook:
        for alert, status in (("Down", "firing"), ("Slow", "firing"), ("Down", "resolved")):
            told = {"labels": {"alertname": alert}, "status": status, "annotations": {"runbook_url": "page#down"}}
            httpx.post(webhook.url, json={"receiver": "pages", "alerts": [told]}).raise_for_status()
        begun = webhook.messages[0].moment
        assert webhook.first("Down", "resolved", begun) == webhook.messages[2]
        assert webhook.first("Down", "firing", webhook.messages[2].moment) is None
        assert webhook.others("Down", begun) == ["Slow"]
        assert webhook.unresolved() == {"Slow"}


def test_sightings_are_a_table(tmp_path: Path) -> None:
    """A fault is a row, with the seconds that its alert took; one that is played again leaves the rows of others."""
    for fault, seconds in (("killed", 1.0), ("overload", 2.0), ("killed", 9.5)):
        report.write(tmp_path, 12, [Sighting(fault, "Down", seconds, 10.25, 31.0, "pages", "page#down", ["Slow"])])
    assert "| killed | Down | 9.5 | 10.2 | 31.0 | pages | page#down | Slow |" in (tmp_path / "drill.md").read_text()
    written = json.loads((tmp_path / "drill.json").read_text())["sightings"]
    assert [(each["fault"], each["fires_s"], each["others"]) for each in written] == [
        ("overload", 2.0, ["Slow"]),
        ("killed", 9.5, ["Slow"]),
    ]


def _without_durations(rules: object) -> str:
    return re.sub(r"\[\w+\]|offset \w+|'for': '\w+'", "", str(rules))
