"""The figures as tables in Markdown, made of the JSON beside them."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

SEEN: Final = 0.8
"""Share of windows."""


def write(results: Path) -> None:
    """Write drift.md of the parts that are there."""
    parts = {name: _read(results / f"drift-{name}.json") for name in _TABLES}
    lines = [line for name, part in parts.items() if part for line in _TABLES[name](part)]
    (results / "drift.md").write_text("\n".join(lines) + "\n")


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def _quiet(part: dict[str, Any]) -> Iterator[str]:
    yield "| shop | rows | windows | products | watch or drift | drift | drift, two of three nights too |"
    yield "|---|---|---|---|---|---|---|"
    for shop, sizes in part["shops"].items():
        for size, row in sizes.items():
            rates = (_rate(row[name]) for name in ("watch", "drift", "drift_with_two_of_three"))
            rows = f"{int(size):,}{', bootstrap' if row['bootstrapped'] else ''}"
            yield f"| {shop} | {rows} | {row['windows']} | {row['products']} | {' | '.join(rates)} |"
    yield ""


def _shifts(part: dict[str, Any]) -> Iterator[str]:
    yield "| shop | what happens | how strongly | 1,000 rows | of it drift | 5,000 rows | of it drift | seen by |"
    yield "|---|---|---|---|---|---|---|---|"
    rows: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
    for shop, found in part["shops"].items():
        for row in found:
            rows.setdefault((shop, row["shift"], row["strength"]), {})[row["size"]] = row
    for key, by_size in rows.items():
        cells = [
            f"{100 * by_size[size][level]['share']:.0f} %" for size in (1_000, 5_000) for level in ("watch", "drift")
        ]
        metrics = ", ".join(list(by_size[5_000]["metrics"])[:3])
        yield f"| {' | '.join((*key, *cells, metrics))} |"
    yield ""
    yield "| shop | what happens | seen in 8 of 10 windows of 1,000 rows | of 5,000 rows |"
    yield "|---|---|---|---|"
    for shop, found in part["shops"].items():
        for shift in dict.fromkeys(row["shift"] for row in found):
            tried = [row for row in found if row["shift"] == shift]
            reached = (seen_strength([row for row in tried if row["size"] == size]) for size in (1_000, 5_000))
            yield f"| {shop} | {shift} | {' | '.join(reached)} |"
    yield ""


def seen_strength(rows: list[dict[str, Any]]) -> str:
    """Return from which strength on 80 % of windows are in watch or drift; on a straight line between those tried."""
    tried = sorted((abs(float(row["strength"].split()[0])), row["watch"]["share"]) for row in rows)
    unit = rows[0]["strength"].split(maxsplit=1)[1]
    if tried[0][1] >= SEEN:
        return f"{tried[0][0]:g} {unit} or less"
    for (low, below), (high, above) in pairwise(tried):
        if above >= SEEN:
            return f"{low + (high - low) * (SEEN - below) / (above - below):.0f} {unit}"
    return f"not with {tried[-1][0]:g} {unit}"


def _peers(part: dict[str, Any]) -> Iterator[str]:
    yield "| windows | rows | ours | Evidently, data set | Evidently, column | NannyML, column | NannyML, accuracy |"
    yield "|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        cells = (
            _rate(row[name]) for name in ("ours", "evidently", "evidently_any", "nannyml_univariate", "nannyml_cbpe")
        )
        yield f"| {row['what']} | {row['size']:,} | {' | '.join(cells)} |"
    yield ""


def _estimates(part: dict[str, Any]) -> Iterator[str]:
    yield "| what happens | windows | the interval holds the accuracy | mean width | estimate - accuracy, points |"
    yield "|---|---|---|---|---|"
    for row in part["rows"]:
        cells = (row["what"], row["covered"]["windows"], _rate(row["covered"]), row["width"], row["bias"])
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""


def _cost(part: dict[str, Any]) -> Iterator[str]:
    yield "| night | seconds | of a processor | MB |"
    yield "|---|---|---|---|"
    for name, row in part["nights"].items():
        yield f"| {name} | {row['seconds']} | {row['processor_seconds']} | {row['megabytes']:,} |"
    yield ""


def _replay(part: dict[str, Any]) -> Iterator[str]:
    told = "reviews | stars | words | positive, by stars / by the model | window | verdict | what changed"
    yield f"| shop | quarter | {told} | with `--min-rows 100` |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for shop, story in part["shops"].items():
        for row in [{"quarter": "reference", "verdict": "", "reason": "", **story["reference"]}, *story["quarters"]]:
            shares = f"{_percent(row['positive_by_stars'])} / {_percent(row['positive_by_model'])}"
            about = (row["quarter"], f"{row['rows']:,}", row["stars"], f"{row['words']:.0f}", shares, _window(row))
            yield f"| {shop} | {' | '.join(map(str, about))} | {row['verdict']} | {_changes(row)} | {_few_rows(row)} |"
    yield ""


def _window(row: dict[str, Any]) -> str:
    if "window" not in row:
        return ""
    return (
        f"{row['window']['rows']:,} since {row['window']['start'][:10]}" if row["window"]["extended"] else "the quarter"
    )


def _changes(row: dict[str, Any]) -> str:
    """Return what changed, the largest effect beside its floor first; or why nothing was judged."""
    if "window" not in row:
        return row["reason"] or f"to {row['end']}"
    largest = sorted(row["alarms"], key=lambda alarm: alarm["effect"] / alarm["floor"], reverse=True)
    return ", ".join(f"{alarm['metric']} {alarm['direction']} ({alarm['effect']:.2f})" for alarm in largest)


def _few_rows(row: dict[str, Any]) -> str:
    found = row.get("few_rows", {"verdict": ""})
    return f"{found['verdict']}: {_changes(found)}" if found.get("alarms") else found["verdict"]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rate(rate: dict[str, Any] | None) -> str:
    if rate is None:
        return "not run"
    low, high = rate["bounds"]
    return f"{100 * rate['share']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


_TABLES = {
    "quiet": _quiet,
    "shifts": _shifts,
    "replay": _replay,
    "estimates": _estimates,
    "peers": _peers,
    "cost": _cost,
}
