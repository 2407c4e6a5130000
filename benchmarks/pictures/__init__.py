"""Pictures of the running service for the docs: the dashboards as Grafana would draw them, and the console.

Nothing is measured here. `site` runs what is drawn, `history` makes up its nights, `asking` sends the panels' queries.
"""
