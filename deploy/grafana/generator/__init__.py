"""Writes the dashboards that Grafana is given: `python -m deploy.grafana.generator`.

One room states one dashboard: `service`, `model`, `drift`, `prediction_log`. They are made of the kinds of `panels`,
with the PromQL of `promql` and the SQL of `statements`; `boards` gives ids, refIds and places on the grid, and makes
the JSON. Grafana loads the files and never writes them, so a change is made here.
"""
