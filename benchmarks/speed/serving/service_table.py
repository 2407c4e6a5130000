"""The results of `service` as a table in Markdown."""

from typing import Any

from benchmarks import result_files

PEERS_PACKAGES = ("fastapi", "uvicorn", "litserve", "bentoml", "transformers", "torch")
"""Whose versions the caption names."""

Figures = dict[str, Any]
Row = dict[str, Any]


def table(result: Row) -> str:
    """Return caption and table."""
    connections = list(next(iter(result["load"].values())))
    heads = ["server", *(f"req/s at {n}" for n in connections), *(f"p95 ms at {n}" for n in connections)]
    heads += [f"CPU ms per answer at {connections[-1]}", "start s", "RSS MB", "PSS MB"]
    rows = [[name, *_load_cells(result, name), *_start_cells(each)] for name, each in result["alone"].items()]
    return f"{_caption(result)}\n\n{result_files.table(heads, *rows)}"


def _load_cells(result: Row, server: str) -> list[str]:
    """Return answers a second, with the errors where there were any, latencies, and CPU time at the most load."""
    figures = list(result["load"].get(server, {}).values())
    if not figures:
        return [""] * (2 * len(result["load"]["ours"]) + 1)  # the starter, which is only started
    rates = [_number(each["answers_per_s"]) + _error_note(each) for each in figures]
    latencies = [_number(each["p95_ms"]) for each in figures]
    return [*rates, *latencies, _number(figures[-1]["cpu_ms_per_answer"])]


def _start_cells(figures: Figures) -> list[str]:
    return [_number(figures[name]) for name in ("ready_s", "serving_rss_mb", "tree_pss_mb")]


def _error_note(figures: Figures) -> str:
    return f" ({figures['errors']} errors)" if figures["errors"] else ""


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _caption(result: Row) -> str:
    about, sent = result_files.machine(), result["payload"]
    texts = f"{sent['texts']}: {sent['count']} of {sent['mean_characters']} characters on average"
    peers = ", ".join(f"{name} {result['versions'][name]}" for name in PEERS_PACKAGES)
    return (
        f"{about['date']}, {about['processor']}, {about['cores']} cores ({', '.join(about['abilities'])}). "
        f"Model {result['model']['name']}, {texts}. Medians of {result['rounds']} rounds. "
        f"`ours` computes in int8, the peers in fp32 as they come; only `ours` keeps a log, in Postgres. {peers}."
    )
