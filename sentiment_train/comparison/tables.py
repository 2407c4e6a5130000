"""A comparison as people read it: two tables, a few remarks, and the verdict in one line."""

from collections.abc import Iterator
from typing import Any

from rich.table import Column, Table

SHOWN_SLICES = 12
_POINTS = 100


def models_table(found: dict[str, Any]) -> Table:
    """Return the figures of both models side by side; `found` is as `comparison.compare` returns it."""
    rows, bounds = found["rows"], found["bounds"]
    title = f"{rows['n']} rows of {rows['name']}, engine {found['engine']}"
    table = Table(Column("", overflow="fold"), _headed("A", found), _headed("B", found), "B - A", "bound", title=title)
    a, b = found["a"], found["b"]
    for name, key, bound in (
        ("accuracy", "accuracy", f"low end above -{bounds['accuracy_loss_points']:g} points"),
        ("macro F1", "macro_f1", ""),
        ("calibration error", "calibration_error", f"at most {bounds['calibration_loss']:g} higher"),
    ):
        table.add_row(name, *(f"{each['figures'][key]:.4f}" for each in (a, b)), _interval(found[key], key), bound)
    for name, key in (("ROC AUC", "roc_auc"), ("Brier", "brier")):
        figures = [each["figures"][key] for each in (a, b)]
        if None not in figures:
            table.add_row(name, *(f"{each:.4f}" for each in figures), f"{figures[1] - figures[0]:+.4f}")
    for name, key, bound in (
        ("p50, ms", "p50_ms", ""),
        ("p95, ms", "p95_ms", f"at most {bounds['slowdown']:g} x"),
    ):
        times = [each["latency"][key] for each in (a, b)]
        table.add_row(name, *(f"{each:.2f}" for each in times), f"{times[1] / times[0]:.2f} x", bound)
    sizes = [each["bytes"]["folder"] / 2**20 for each in (a, b)]
    table.add_row("folder, MiB", *(f"{each:.1f}" for each in sizes), f"{sizes[1] / sizes[0]:.2f} x")
    return table


def slices_table(found: dict[str, Any]) -> Table:
    """Return the slices in which B is worse, the worst first; small ones, which are not judged, come last."""
    worse = [each for each in found["slices"] if each["difference"] < 0]
    shown = sorted(worse, key=lambda each: not each["judged"])[:SHOWN_SLICES]
    margin = found["bounds"]["slice_loss_points"]
    title = f"B is worse in {len(worse)} of {len(found['slices'])} slices" + (
        f", {len(shown)} of them shown" if len(shown) < len(worse) else ""
    )
    columns = ("rows", "A", "B", "points", "p of no loss", f"p of {margin:g} points or less", "would be seen")
    table = Table(Column("slice", overflow="fold"), *columns, title=title)
    for each in shown:
        points = f"{_POINTS * each['difference']:+.1f}"
        accuracies = (f"{each[key]:.3f}" for key in ("accuracy_a", "accuracy_b"))
        table.add_row(each["name"], str(each["rows"]), *accuracies, points, *_tests(each))
    return table


def remarks(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines below the tables; the last one is the verdict."""
    accuracy = found["accuracy"]
    yield (
        f"B is right where A is wrong on {accuracy['gained']} rows, A where B is wrong on {accuracy['lost']}: "
        f"McNemar's p {accuracy['p']:.2g} ({accuracy['test']})"
    )
    for key, who in (("only_a_right", "A"), ("only_b_right", "B")):
        if found[key]:
            yield f"only {who} is right, surest mistakes first, by id: {', '.join(each['id'] for each in found[key])}"
    yield from _visible(found)
    for warning in found["warnings"]:
        yield f"warning: {warning}"
    for reason in found["failed"]:
        yield f"failed: {reason}"
    yield from _more_rows(found)
    n_failed = len(found["failed"])
    yield "verdict: B may replace A" if not n_failed else f"verdict: B may not replace A ({n_failed} failed, see above)"


def _visible(found: dict[str, Any]) -> Iterator[str]:
    losses = [each["visible_loss"] for each in found["slices"] if each["judged"]]
    if losses:
        yield (
            f"{len(losses)} slices are judged; four times of five B would have been refused for losing "
            f"{_POINTS * min(losses):.1f} points in the slice where least is needed, {_POINTS * max(losses):.1f} where "
            "most is"
        )
    else:
        yield f"no slice has the {found['bounds']['slice_rows']} rows to be judged"


def _more_rows(found: dict[str, Any]) -> Iterator[str]:
    """Say when B is refused for want of rows, and not for what they show."""
    accuracy, bound = found["accuracy"], found["bounds"]["accuracy_loss_points"]
    undecided = _POINTS * accuracy["low"] <= -bound < _POINTS * accuracy["high"]
    if undecided and accuracy["rows_needed"] is not None:
        yield (
            f"these rows do not show B to lose more than {bound:g} points either: about {accuracy['rows_needed']} such "
            "rows would let an equal model pass nine times of ten"
        )


def _headed(letter: str, found: dict[str, Any]) -> Column:
    model = found[letter.lower()]
    return Column(f"{letter}: {model['name']} {model['version']}", overflow="fold")


def _interval(difference: dict[str, float | None], key: str) -> str:
    """Return the difference with its interval, where it has one; that of the accuracy in points."""
    scale, digits, unit = (_POINTS, 2, " points") if key == "accuracy" else (1, 4, "")
    value, *ends = (
        None if number is None else f"{scale * number:+.{digits}f}"
        for number in (difference[each] for each in ("value", "low", "high"))
    )
    return f"{value}{unit}" if None in ends else f"{value}{unit} ({ends[0]} to {ends[1]})"


def _tests(each: dict[str, Any]) -> tuple[str, str, str]:
    if not each["judged"]:
        return "too few rows", "", ""
    return f"{each['p']:.2g}", f"{each['p_beyond']:.2g}", f"{_POINTS * each['visible_loss']:.1f}"
