"""What Grafana makes of a dashboard's queries before it sends them: variables and macros filled in."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Chosen:
    """What a reader of a dashboard has chosen."""

    since: dt.datetime
    until: dt.datetime
    rate_interval: str = "5s"
    """At least four scrapes, which Grafana sees to."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of SQL, by name. In PromQL all variables stand for everything."""


def filled_promql(expression: str, chosen: Chosen) -> str:
    """Return PromQL as Prometheus gets it."""
    expression = expression.replace("$__rate_interval", chosen.rate_interval)
    filled = re.sub(r"\$(\w+)", ".*", expression)
    return _complete(filled)


def filled_sql(statement: str, chosen: Chosen) -> str:
    """Return SQL as Postgres gets it."""
    times = f"BETWEEN '{_utc(chosen.since)}' AND '{_utc(chosen.until)}'"
    statement = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 {times}", statement)
    filled = re.sub(r"\$\{(\w+):sqlstring\}", lambda found: _quoted(chosen.variables[found[1]]), statement)
    return _complete(filled)


def _utc(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _complete(filled: str) -> str:
    if "$" in filled:
        raise ValueError(f"expected only the macros that are known here, found a $ left in {filled}")
    return filled
