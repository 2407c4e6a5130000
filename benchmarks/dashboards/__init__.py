"""Draws what Grafana would show: `python -m benchmarks dashboards`. See `command`."""

from benchmarks.dashboards.command import main

__all__ = ["main"]
