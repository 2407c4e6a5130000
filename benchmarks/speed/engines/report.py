"""The results as Markdown, for the person who decides."""

from collections.abc import Callable
from typing import Any

from benchmarks import result_files
from benchmarks.speed.engines.batch_mates import TOLERANCE

Result = dict[str, Any]
"""Of one model, as in the JSON file."""


def markdown(results: Result) -> str:
    """Return the whole report."""
    parts = [
        "# Engines, computing only",
        _conditions(results),
        "\n".join(f"- `{name}`: {summary}" for name, summary in results["candidates"].items()),
    ]
    for name, result in results["models"].items():
        parts += [f"## {name}", *_model(result)]
    return "\n\n".join(parts)


def _conditions(results: Result) -> str:
    machine = result_files.machine()
    abilities = ", ".join(machine["abilities"]) or "none of the abilities that int8 gains from"
    return (
        f"Measured on {machine['date']} on {machine['cores']} cores ({machine['processor']} with {abilities}, "
        f"{machine['system']}, Python {machine['python']}). The candidates take turns in each repetition; figures are "
        f"medians (repetitions: {results['repetitions']}), quartiles are in `engine.json`. Texts: {results['texts']}. "
        "No tokenizing, no HTTP; thread pools spin as each library has it, the service's do not. "
        "Bold is the best of its column. Made by `python -m benchmarks engine`."
    )


def _model(result: Result) -> list[str]:
    parts = []
    if result["one_thread"]:
        parts += [
            "One thread: tokens per second by texts x tokens. Last: how far a probability moves with its batch-mates.",
            _speed(result),
        ]
    if result["all_cores"]:
        parts += [
            "All cores: one request alone on all, and as many callers as cores, one core each.",
            _all_cores(result),
        ]
    for part, figures in result["accuracy"].items():
        parts += [_accuracy_lead(part, figures), _accuracy(figures["candidates"])]
    if result["skipped"]:
        parts.append("\n".join(f"- `{name}` was skipped: {reason}" for name, reason in result["skipped"].items()))
    return parts


def _speed(result: Result) -> str:
    rows = {
        name: {shape: figures["tokens_per_s"] for shape, figures in shapes.items()}
        for name, shapes in result["one_thread"].items()
    }
    verdicts = {name: _verdict(mates) for name, mates in result["batch_mates"].items()}
    return _table(rows, _whole, highest=True, last=("batch-mates", verdicts))


def _verdict(mates: dict[str, float | None]) -> str:
    equal, unequal = mates["equal_lengths"], mates["unequal_lengths"]
    padded = "takes equal lengths only" if unequal is None else f"{unequal:.1e} padded"
    largest = max(equal or 0, unequal or 0)
    return f"{'**depends on batch-mates**' if largest > TOLERANCE else 'none'} ({equal:.1e}, {padded})"


def _all_cores(result: Result) -> str:
    figures = result["all_cores"]
    alone = _table(
        {
            name: {f"{shape} alone, ms": each["ms"] for shape, each in shapes.items()}
            for name, shapes in figures["alone"].items()
        },
        _one_digit,
        highest=False,
    )
    together = {
        name: {f"{result['all_cores']['callers']} callers of 1x128, tokens/s": each["tokens_per_s"]}
        for name, each in figures["together"].items()
    }
    return alone + "\n\n" + _table(together, _whole, highest=True)


def _accuracy_lead(part: str, figures: Result) -> str:
    return (
        f"Answers on {figures['texts']:,} reviews of `{part}`, one text per pass. Moved: how far probabilities are "
        f"from those of `{figures['reference']}`."
    )


def _accuracy(candidates: dict[str, dict[str, float]]) -> str:
    heads = {
        "accuracy": "accuracy",
        "agreement": "same label",
        "moved_mean": "moved, mean",
        "moved_p99": "p99",
        "moved_most": "most",
        "moved_far": "share moved by 0.10 or more",
    }
    lines = [_line(["candidate", *heads.values()]), _line(["---"] * (1 + len(heads)))]
    lines += [_line([f"`{name}`", *(f"{figures[key]:.4f}" for key in heads)]) for name, figures in candidates.items()]
    return "\n".join(lines)


def _table(
    rows: dict[str, dict[str, float]],
    shown: Callable[[float], str],
    *,
    highest: bool,
    last: tuple[str, dict[str, str]] | None = None,
) -> str:
    """Return a table with a row for each candidate; the best of each column is bold."""
    columns = list(next(iter(rows.values())))
    best = {column: (max if highest else min)(row[column] for row in rows.values()) for column in columns}
    lines = [["candidate", *columns], ["---"] * (1 + len(columns))]
    for name, row in rows.items():
        cells = [f"**{shown(row[each])}**" if row[each] == best[each] else shown(row[each]) for each in columns]
        lines.append([f"`{name}`", *cells])
    if last is not None:
        head, texts = last
        ends = [head, "---", *(texts[name] for name in rows)]
        lines = [[*line, end] for line, end in zip(lines, ends, strict=True)]
    return "\n".join(map(_line, lines))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _one_digit(value: float) -> str:
    return f"{value:,.1f}"
