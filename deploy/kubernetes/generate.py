"""Writes `monitoring/prometheus-rule.yaml` from Prometheus' own rules: `python deploy/kubernetes/generate.py`.

The Prometheus Operator takes rules as PrometheusRule objects, one here for each file of `deploy/prometheus/rules`. A
change of a rule is made there, and this is run again.
"""
# ruff: noqa: INP001 - a script, not a package

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus" / "rules"
TARGET = HERE / "monitoring" / "prometheus-rule.yaml"
_HEAD = "# Written by ../generate.py from deploy/prometheus/rules. Do not change it here.\n"
_LABELS = {"app.kubernetes.io/name": "sentiment-api", "app.kubernetes.io/part-of": "sentiment-service"}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as they were written."""


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _write_text)


def wrap_rules(path: Path) -> dict[str, Any]:
    """Return the PrometheusRule of one rules file, its groups as they are."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": f"sentiment-{path.stem}", "labels": _LABELS},
        "spec": {"groups": yaml.safe_load(path.read_text())["groups"]},
    }


def render_rules(paths: Iterable[Path]) -> str:
    """Return the YAML of these files' PrometheusRules; of none when there are no files."""
    documents = [wrap_rules(path) for path in sorted(paths)]
    return _HEAD + yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    TARGET.write_text(render_rules(RULES.glob("*.yml")))
