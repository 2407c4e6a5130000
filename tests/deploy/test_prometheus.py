"""Prometheus' configuration, and what promtool says of a real scrape."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx


class Running(Protocol):
    """A running service."""

    url: str


def test_prometheus_accepts_its_configuration(promtool: Callable[..., None], root: Path, tmp_path: Path) -> None:
    """Prometheus starts with the configuration, once the key that it names is there."""
    key = tmp_path / "prometheus"
    key.write_text("sentiment_1_2")
    shutil.copytree(root / "deploy/prometheus/rules", tmp_path / "rules")
    text = (root / "deploy/prometheus/prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/keys/prometheus", str(key)))
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_promtool_finds_no_fault_in_a_real_scrape(service: Running, promtool: Callable[..., None]) -> None:
    """Names, units and texts are as Prometheus recommends, once everything that counts has counted."""
    for text in ("Works as described.", ""):
        httpx.post(f"{service.url}/predict", json={"text": text})
    promtool("check", "metrics", given=httpx.get(f"{service.url}/metrics").text)


def test_the_rules_watch_every_route_that_gives_answers(service: Running, root: Path) -> None:
    """A route more would fail in silence: the objective counts what needs `predict` or `feedback`, and no other."""
    paths = httpx.get(f"{service.url}/docs/openapi.json").json()["paths"]
    needs = {
        path: {scope for way in ask["post"]["security"] for scopes in way.values() for scope in scopes}
        for path, ask in paths.items()
        if "post" in ask
    }
    rules = "".join(path.read_text() for path in (root / "deploy/prometheus/rules").glob("*.yml"))
    watched = {frozenset(found.split("|")) for found in re.findall(r'route=~"(/predict[^"]*)"', rules)}
    predicting, telling = (
        frozenset(path for path, scopes in needs.items() if scope in scopes) for scope in ("predict", "feedback")
    )
    assert watched == {predicting, predicting | telling}
