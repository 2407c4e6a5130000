"""Where data come from, by the uids of `provisioning/datasources`, and the variables that are asked of them."""

from deploy.grafana.generator.panels import Json

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "postgres"}


def label_values(name: str, label: str, metric: str) -> Json:
    """Return a variable that takes any of the values of a metric's label, all of them at first."""
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": PROMETHEUS,
        "query": {"query": f"label_values({metric}, {label})", "refId": "A"},
        "refresh": 2,  # whenever the time range changes
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def rows(name: str, label: str, statement: str) -> Json:
    """Return a variable that takes one of the values of an SQL statement, the first one at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": POSTGRES,
        "query": statement,
        "refresh": 1,  # when the dashboard is loaded
        "multi": False,
        "includeAll": False,
    }


def written(name: str, label: str, value: str) -> Json:
    """Return a variable that a reader writes, with what it is at first."""
    return {
        "name": name,
        "label": label,
        "type": "textbox",
        "query": value,
        "current": {"text": value, "value": value},
        "options": [{"selected": True, "text": value, "value": value}],
    }


INSTANCE = label_values("instance", "instance", 'up{job="sentiment-api"}')
