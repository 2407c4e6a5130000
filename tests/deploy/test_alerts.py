"""The alert rules, what they read, where they send the reader, and who is told."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import yaml

from sentiment_api.database.refusals import refusal_of
from sentiment_api.errors import DatabaseUnusable
from sentiment_api.http.problems import REASONS
from tests.packages import command_of

RECORDED = re.compile(r"\bsentiment:\w+:\w+")
NAMED = re.compile(r"\b(?:sentiment_\w+|process_\w+)")
# What stands in quotes are labels' values.
WORDS = re.compile(r'"[^"]*"')


class Running(Protocol):
    """A running service."""

    url: str


@pytest.fixture(scope="module")
def rules(root: Path) -> list[dict[str, Any]]:
    """Every rule of every file."""
    files = sorted((root / "deploy/prometheus/rules").glob("*.yml"))
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def alerts(rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The alerts, by name."""
    found = [rule for rule in rules if "alert" in rule]
    by_name = {rule["alert"]: rule for rule in found}
    assert len(by_name) == len(found), "two alerts share a name"
    return by_name


@pytest.fixture(scope="module")
def expectations(root: Path) -> list[tuple[str, str, set[str]]]:
    """Test file, test and the alerts that fire, at every moment that the rules' own tests look at."""
    return [
        (file.stem, test["name"], set(re.findall(r'alertname="(\w+)"', str(look["exp_samples"]))))
        for file in sorted((root / "deploy/prometheus/tests").glob("*.yml"))
        for test in yaml.safe_load(file.read_text())["tests"]
        for look in test["promql_expr_test"]
    ]


@pytest.fixture(scope="module")
def alertmanager(root: Path) -> dict[str, Any]:
    """Its configuration."""
    return dict(yaml.safe_load((root / "deploy/alertmanager/alertmanager.yml").read_text()))


def test_rules_do_what_their_tests_say(promtool: Callable[..., None], root: Path) -> None:
    """Over series written down by hand, alerts fire and end when they should, and no other fires."""
    promtool("test", "rules", *map(str, sorted((root / "deploy/prometheus/tests").glob("*.yml"))))


def test_every_alert_is_seen_to_fire_and_not_to(
    alerts: dict[str, dict[str, Any]], expectations: list[tuple[str, str, set[str]]]
) -> None:
    """For each alert there is a test in which it does not fire at one moment and fires at another."""
    tests = {(file, test) for file, test, _ in expectations}
    turning: set[str] = set()
    for each in tests:
        looks = [fires for file, test, fires in expectations if (file, test) == each]
        turning |= set[str]().union(*looks) - looks[0].intersection(*looks)
    assert set(alerts) - turning == set()


def test_every_alert_says_what_to_do(alerts: dict[str, dict[str, Any]], root: Path) -> None:
    """An alert is for now or for a working day, says what is the case, and names a section of the runbook."""
    sections = _anchors((root / "docs/runbook.md").read_text())
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert rule["labels"]["component"] in {"service", "log", "drift", "model", "monitoring"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (page, anchor in sections) == ("docs/runbook.md", True), f"{name}: no section {anchor}"


def test_the_runbook_lists_every_alert(alerts: dict[str, dict[str, Any]], root: Path) -> None:
    """Who knows an alert's name only finds its section, and no alert is listed that is gone."""
    listed = re.findall(
        r"^\| `(\w+)` \| (page|ticket) \| .*\(#([\w-]+)\) \|$", (root / "docs/runbook.md").read_text(), re.MULTILINE
    )
    expected = [
        (name, rule["labels"]["severity"], rule["annotations"]["runbook_url"].partition("#")[2])
        for name, rule in alerts.items()
    ]
    assert sorted(listed) == sorted(expected)


def test_rules_read_only_what_the_service_shows(service: Running, rules: list[dict[str, Any]]) -> None:
    """Metrics that rules name are in a real service's /metrics, if only by their type, and so are bounds of buckets."""
    assert httpx.post(f"{service.url}/predict", json={"text": "Works as described."}).status_code == 200
    shown = httpx.get(f"{service.url}/metrics").text
    types = re.findall(r"^# TYPE (\S+) (\w+)$", shown, re.MULTILINE)
    samples = set(re.findall(r"^([a-z_]+)[ {]", shown, re.MULTILINE))
    names = samples | {name + end for name, kind in types for end in _ENDINGS.get(kind, ("",))}
    asked = {name for rule in rules for name in NAMED.findall(WORDS.sub("", rule["expr"]))}
    assert asked - names == set()
    bounds = {bound for rule in rules for bound in re.findall(r'le="([\d.]+)"', rule["expr"])}
    assert bounds
    for bound in bounds:
        assert f'sentiment_http_request_duration_seconds_bucket{{le="{bound}",route="/predict"}}' in shown


def test_a_refusal_that_is_alerted_is_explained(alerts: dict[str, dict[str, Any]], root: Path) -> None:
    """Each SQLSTATE of the alert has a line of its own with a remedy, and a row in the runbook."""
    (kinds,) = re.findall(r'kind=~"([^"]+)"', alerts["SentimentDatabaseRefuses"]["expr"])
    _, _, section = (root / "docs/runbook.md").read_text().partition("## Postgres refuses")
    section, _, _ = section.partition("\n## ")
    rows = set(re.findall(r"`([0-9A-Z]{5}|DatabaseUnusable)`", section))
    assert set(kinds.split("|")) == rows
    lines = [refusal_of(each, "not currently accepting connections") for each in rows - {DatabaseUnusable.__name__}]
    assert not [line for line in lines if "it does not do what it was asked" in line]


def test_reasons_that_alerts_name_exist(rules: list[dict[str, Any]]) -> None:
    """A problem's slug that was renamed would silence its alert."""
    named = {reason for rule in rules for reason in re.findall(r'reason="([^"]+)"', rule["expr"])}
    assert named - set(REASONS) == set()


def test_alerts_read_only_what_is_recorded(rules: list[dict[str, Any]]) -> None:
    """Every recorded share is read by an alert, and every one that is read is recorded."""
    recorded = {rule["record"] for rule in rules if "record" in rule}
    assert {name for rule in rules if "alert" in rule for name in RECORDED.findall(rule["expr"])} == recorded


def test_alertmanager_accepts_its_configuration(alertmanager: dict[str, Any], tmp_path: Path) -> None:
    """Amtool finds no fault. Debian's is 0.25, to which a file for the address is strange: an address stands for it."""
    amtool = command_of("prometheus-alertmanager", "amtool")
    for receiver in alertmanager["receivers"]:
        for webhook in receiver["webhook_configs"]:
            assert webhook.pop("url_file").startswith("/run/secrets/")
            webhook["url"] = "http://127.0.0.1:9/"
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(alertmanager))
    result = subprocess.run([amtool, "check-config", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("page", "pages"), ("ticket", "tickets")])
def test_severity_decides_who_is_told(root: Path, severity: str, receiver: str, alertmanager: dict[str, Any]) -> None:
    """Pages and tickets have a receiver each, which exists."""
    routes = {one["matchers"][0]: one["receiver"] for one in alertmanager["route"]["routes"]}
    assert routes.get(f"severity = {severity}", alertmanager["route"]["receiver"]) == receiver
    assert receiver in {one["name"] for one in alertmanager["receivers"]}


def test_inhibition_names_alerts_that_exist(alertmanager: dict[str, Any], alerts: dict[str, dict[str, Any]]) -> None:
    """An alert that was renamed would silently hold nothing back."""
    named = set(re.findall(r"alertname\s*!?=\s*(\w+)", str(alertmanager["inhibit_rules"])))
    assert named
    assert named <= set(alerts)


def test_no_address_is_in_the_repository(root: Path) -> None:
    """The webhook's address is a secret: it comes from a file that git ignores."""
    ignored = (root / "deploy/alertmanager/.gitignore").read_text().split()
    secrets = yaml.safe_load((root / "compose.yaml").read_text())["secrets"]
    assert secrets["alertmanager-webhook"] == {"file": "./deploy/alertmanager/webhook-url"}
    assert "webhook-url" in ignored
    assert "://" not in (root / "deploy/alertmanager/alertmanager.yml").read_text()


_ENDINGS = {"counter": ("",), "histogram": ("_bucket", "_count", "_sum")}


def _anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings have, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
