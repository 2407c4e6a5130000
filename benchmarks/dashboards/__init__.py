"""Draws what Grafana would show: `python -m benchmarks dashboards`."""
