"""Sends a panel's queries to Prometheus and Postgres, as Grafana does, and returns what it would draw."""

import asyncio
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from benchmarks.pictures.macros import Chosen, filled_promql, filled_sql

Json = dict[str, Any]
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class ChartLine:
    """One line."""

    name: str
    times: Sequence[dt.datetime]
    values: Sequence[float]


@dataclass(frozen=True)
class Table:
    """Rows under their columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


Found = list[ChartLine] | Table


@dataclass(frozen=True)
class Sources:
    """Where data come from."""

    prometheus_url: str
    database_url: str
    step_s: float
    """Between two points of a line."""


def ask(panel: Json, sources: Sources, chosen: Chosen) -> Found:
    """Return what a panel's queries find: a table for tables and whatever has a row of its own, else series."""
    first = panel["targets"][0]
    if "rawSql" in first:
        return _postgres(filled_sql(first["rawSql"], chosen), sources, first["format"])
    if panel["type"] == "table":
        found = _as_table(_prometheus(sources, "query", filled_promql(first["expr"], chosen)))
        return _organized(found, panel["transformations"])
    return [series for target in panel["targets"] for series in _lines(target, sources, chosen)]


def _lines(target: Json, sources: Sources, chosen: Chosen) -> list[ChartLine]:
    if target.get("instant"):
        found = _prometheus(sources, "query", filled_promql(target["expr"], chosen))
        return [_line(target["legendFormat"], each | {"values": [each["value"]]}) for each in found]
    times = {"start": chosen.since.timestamp(), "end": chosen.until.timestamp(), "step": sources.step_s}
    found = _prometheus(sources, "query_range", filled_promql(target["expr"], chosen), **times)
    return [_line(target["legendFormat"], each) for each in found]


def _line(legend: str, found: Json) -> ChartLine:
    name = re.sub(r"{{(\w+)}}", lambda label: found["metric"].get(label[1], ""), legend).strip()
    times = [dt.datetime.fromtimestamp(moment, dt.UTC) for moment, _ in found["values"]]
    return ChartLine(name, times, [float(value) for _, value in found["values"]])


def _prometheus(sources: Sources, what: str, query: str, **parameters: float) -> list[Json]:
    url = f"{sources.prometheus_url}/api/v1/{what}"
    reply = httpx.get(url, params={"query": query, **parameters}, timeout=_TIMEOUT_S, trust_env=False)
    result: list[Json] = reply.raise_for_status().json()["data"]["result"]
    return result


def _as_table(found: list[Json]) -> Table:
    names = sorted({name for each in found for name in each["metric"]})
    rows = [[*(each["metric"].get(name, "") for name in names), float(each["value"][1])] for each in found]
    return Table([*names, "Value"], rows)


def _organized(table: Table, transformations: Sequence[Json]) -> Table:
    """Return a table with other names for some columns, and without others."""
    for each in transformations:
        left_out, names = each["options"]["excludeByName"], each["options"]["renameByName"]
        kept = [number for number, name in enumerate(table.columns) if name not in left_out]
        columns = [names.get(table.columns[number], table.columns[number]) for number in kept]
        table = Table(columns, [[row[number] for number in kept] for row in table.rows])
    return table


def _postgres(statement: str, sources: Sources, form: str) -> Found:
    records = asyncio.run(_fetched(statement, sources))
    columns = list(records[0].keys()) if records else []
    table = Table(columns, [list(record.values()) for record in records])
    return table if form == "table" else _as_series(table)


async def _fetched(statement: str, sources: Sources) -> list[asyncpg.Record]:
    """Return the rows, as Grafana's role sees them."""
    connection = await asyncpg.connect(sources.database_url)
    try:
        await connection.execute("SET ROLE grafana")
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


def _as_series(table: Table) -> list[ChartLine]:
    """Return a line for each name in a column `metric`, or for each column after the first, which is the time."""
    lines: dict[str, list[tuple[dt.datetime, float]]] = {}
    named = table.columns[1:2] == ["metric"]
    for row in table.rows:
        moment: Any = row[0]
        values = [(str(row[1]), row[2])] if named else list(zip(table.columns[1:], row[1:], strict=True))
        for name, value in values:
            if isinstance(value, int | float):
                lines.setdefault(name, []).append((moment, float(value)))
    return [ChartLine(name, *(list(part) for part in zip(*points, strict=True))) for name, points in lines.items()]
