"""Prometheus' configuration, and what promtool says of a real scrape."""

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
