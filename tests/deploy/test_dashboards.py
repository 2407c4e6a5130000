"""The dashboards as files; what they ask is in `test_dashboard_promql.py` and `test_dashboard_sql.py`."""

import itertools
import re
from pathlib import Path
from typing import Any

import yaml

from deploy.grafana.generator.__main__ import files


def test_the_generator_writes_the_committed_dashboards(root: Path) -> None:
    """The dashboards in the repository are what their generator makes, so that neither is edited without the other."""
    committed = {path: path.read_text() for path in (root / "deploy/grafana/dashboards").rglob("*.json")}
    assert committed == files()


def test_dashboards_are_found_by_their_names(dashboards: list[dict[str, Any]]) -> None:
    """There are four of them, each with the name of what it shows."""
    assert {board["title"] for board in dashboards} == {
        "Sentiment service",
        "Sentiment model",
        "Sentiment drift",
        "Sentiment prediction log",
    }


def test_dashboards_can_be_provisioned(dashboards: list[dict[str, Any]]) -> None:
    """A dashboard has a uid of its own, no database id, and nothing that only the import dialogue fills in."""
    uids = [board["uid"] for board in dashboards]
    assert len(set(uids)) == len(uids) > 0
    for board in dashboards:
        assert board["id"] is None
        assert 39 <= board["schemaVersion"] <= 41
        assert "__inputs" not in board
        assert "${DS_" not in str(board)


def test_dashboards_lie_in_a_folder(root: Path) -> None:
    """Grafana shows them in a folder that has the name of theirs."""
    path = root / "deploy/grafana/provisioning/dashboards/dashboards.yaml"
    (provider,) = yaml.safe_load(path.read_text())["providers"]
    assert provider["options"]["foldersFromFilesStructure"]
    found = (root / "deploy/grafana/dashboards").rglob("*.json")
    assert {file.relative_to(root / "deploy/grafana/dashboards").parent for file in found} == {Path("sentiment")}


def test_the_home_page_is_one_of_them(root: Path) -> None:
    """Grafana opens with a dashboard that is there."""
    environment = yaml.safe_load((root / "compose.yaml").read_text())["services"]["grafana"]["environment"]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (root / "deploy/grafana/dashboards" / home.relative_to("/etc/grafana/dashboards")).is_file()


def test_dashboards_link_to_each_other(dashboards: list[dict[str, Any]]) -> None:
    """Each leads to all that have the tag which every one of them has."""
    for board in dashboards:
        (link,) = board["links"]
        assert link["type"] == "dashboards"
        assert all(set(link["tags"]) <= set(other["tags"]) for other in dashboards)


def test_ids_are_unique(dashboards: list[dict[str, Any]], panels: list[dict[str, Any]]) -> None:
    """No two panels of a dashboard share an id, and no two queries of a panel a refId."""
    for board in dashboards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
    for panel in panels:
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0, panel["title"]


def test_titles_are_unique(dashboards: list[dict[str, Any]]) -> None:
    """A panel can be spoken of by its title."""
    for board in dashboards:
        titles = [panel["title"] for panel in board["panels"] if panel["type"] != "row"]
        assert len(set(titles)) == len(titles)


def test_panels_do_not_overlap(dashboards: list[dict[str, Any]]) -> None:
    """Panels lie within the 24 columns of the grid, and none lies on another."""
    for board in dashboards:
        for panel in board["panels"]:
            assert 0 <= panel["gridPos"]["x"] <= 24 - panel["gridPos"]["w"], panel["title"]
        for one, other in itertools.combinations(board["panels"], 2):
            assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def test_every_panel_says_what_it_shows(panels: list[dict[str, Any]]) -> None:
    """Each panel has a title, a description and a unit."""
    for panel in panels:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_thresholds_rise(panels: list[dict[str, Any]]) -> None:
    """Each panel has thresholds: a colour for the lowest values, and others from values that rise."""
    for panel in panels:
        first, *others = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert first is None, panel["title"]
        assert others == sorted(set(others)), panel["title"]


def test_alerts_that_are_spoken_of_exist(root: Path, panels: list[dict[str, Any]]) -> None:
    """Every alert that a description names is one of Prometheus' rules, and every alert of the service is named."""
    rules = "".join(path.read_text() for path in (root / "deploy/prometheus/rules").glob("*.yml"))
    alerts = set(re.findall(r"alert: (Sentiment\w+)", rules))
    named = set(re.findall(r"\bSentiment[A-Z]\w+", " ".join(panel["description"] for panel in panels)))
    assert named <= alerts
    assert alerts - named == {"SentimentApiInstanceDown", "SentimentSlowSlowly", "SentimentDriftAbsent"}


def test_datasources_resolve(root: Path, dashboards: list[dict[str, Any]]) -> None:
    """Every data source that a panel, a query or a variable names is provisioned, with the same type."""
    path = root / "deploy/grafana/provisioning/datasources/datasources.yaml"
    provisioned = {source["uid"]: source["type"] for source in yaml.safe_load(path.read_text())["datasources"]}
    for board in dashboards:
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        variables = [one for one in board["templating"]["list"] if one["type"] == "query"]
        askers = [*panels, *variables, *board["annotations"]["list"]]
        for asker in [*askers, *(target for panel in panels for target in panel["targets"])]:
            assert provisioned[asker["datasource"]["uid"]] == asker["datasource"]["type"]


def test_the_scrape_interval_is_stated_once_in_effect(root: Path) -> None:
    """Grafana derives `$__rate_interval` from the interval at which Prometheus really scrapes."""
    prometheus = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    path = root / "deploy/grafana/provisioning/datasources/datasources.yaml"
    source = next(one for one in yaml.safe_load(path.read_text())["datasources"] if one["uid"] == "prometheus")
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return across and down
