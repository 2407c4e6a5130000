"""Writes the dashboards that Grafana is given: `python -m deploy.grafana.generator`.

A panel is in the module of its dashboard (`service`, `model`, `drift`, `prediction_log`), in the tuple of its row. It
is one of the kinds of `panels`, with the PromQL of `promql` or the SQL of `statements`; `boards` gives ids, refIds and
places on the grid, and makes the JSON. Grafana loads the files and never writes them, so a change is made here.
"""
