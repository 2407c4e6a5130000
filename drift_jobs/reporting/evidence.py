"""What stands behind a verdict: causes, how right the model is, the golden texts, and how often such a run is wrong."""

from collections.abc import Sequence

from drift_jobs.judging.metrics import metric_words
from drift_jobs.judging.quality import OLDEST_DAYS
from drift_jobs.judging.record import CHECKED
from drift_jobs.reporting.elements import Markup, element, items, joined, paragraph, section, table
from drift_jobs.reporting.wording import (
    is_withdrawn,
    metric_name,
    row_badge,
    shown_effect,
    shown_interval,
    shown_p,
    shown_rate,
    shown_value,
)
from drift_jobs.runs import BackTest, Causes, Change, Coverage, DriftRun, Family, MetricRow, MixChange, is_alarm
from sentiment_api.database.drift_results import shown_segment

_BLIND = (
    "Estimated from the model's own probabilities, without labels. Such an estimate follows a change of what is "
    "reviewed; when the same words come to mean something else, it does not see it."
)


def causes(found: Causes | None) -> Markup:
    """Return what is behind a change: descriptors, the mix of products, segments, and ids of predictions to read."""
    if found is None:
        return Markup()
    return section(
        "Why",
        _changes("Descriptors, by how much they changed", found.descriptors),
        _mix(found.mix) if found.mix else "",
        _changes("Segments that changed (at most 1 in 20 of them by chance)", found.segments),
        _novel(found),
    )


def accuracy(run: DriftRun) -> Markup:
    """Return how right the model is: on rows with labels, and estimated without; and how many rows have labels."""
    known, estimated = _of_family(run, "accuracy"), _of_family(run, "estimates")
    headings = ("measure", "this window (95 % interval)", "reference", "rows", "level")
    rows = table("On rows with a rating or label", headings, (_known_cells(run, row) for row in known if row.n))
    return section(
        "How right the model is",
        rows or (paragraph("No prediction of this window has a rating or label yet.") if known else ""),
        _estimates(estimated),
        _coverage(run.details.coverage),
    )


def golden_texts(run: DriftRun) -> Markup:
    """Return how the bundle's golden texts were answered: if they moved, it is the model or its runtime."""
    rows = _of_family(run, "model")
    headings = ("measure", "this night", "allowed", "texts", "level")
    moved = any(is_alarm(row.verdict) for row in rows)
    steady = bool(rows) and all(row.verdict == "none" for row in rows)
    text = "They moved: it is the model or its runtime, whatever the data did." if moved else ""
    text = "They did not move: what changed, if anything, is in what was reviewed." if steady else text
    return section(
        "Golden texts",
        table(
            "Answers of the running service beside those recorded at export",
            headings,
            (_golden_cells(run, row) for row in rows),
        ),
        paragraph(text) if text else "",
        _notes(rows),
    )


def false_alarms(found: BackTest | None) -> Markup:
    """Return how often quiet windows were called watch or drift, and what that makes in a year."""
    if found is None:
        text = "Not back-tested: how often a window is called drift in which nothing is wrong is not known."
        return section("False alarms to expect", paragraph(text))
    return section(
        "False alarms to expect",
        paragraph(
            element("strong", f"{found.alarms_a_year:.1f} drift alarms a year"),
            " from nights in which nothing is wrong.",
        ),
        paragraph(
            f"Of {found.windows:,} quiet windows of {found.size:,} rows, "
            f"{shown_rate(found.watch_rate)} were called watch or drift (at most {shown_rate(found.watch_upper)}) and "
            f"{shown_rate(found.drift_rate)} drift (at most {shown_rate(found.drift_upper)}). The bounds are one-sided "
            "95 % ones; no window was judged by floors that it helped to learn."
        ),
    )


def _of_family(run: DriftRun, family: Family) -> list[MetricRow]:
    return [row for row in run.metrics if row.family == family and not row.segment]


def _changes(caption: str, found: Sequence[Change]) -> Markup:
    tested = any(change.adjusted_p is not None for change in found)
    headings = ("what", "this window", "reference", "effect", *(["adjusted p"] if tested else []))
    return table(caption, headings, (_change_cells(change, tested=tested) for change in found))


def _change_cells(change: Change, *, tested: bool) -> Sequence[str]:
    name = metric_words(change.metric)
    cells = (
        f"{name} of {shown_segment(change.segment)}" if change.segment else name,
        shown_value(change.metric, change.value),
        shown_value(change.metric, change.reference_value),
        shown_effect(change.metric, change.effect),
    )
    return (*cells, shown_p(change.adjusted_p)) if tested else cells


def _mix(mix: MixChange) -> Markup:
    unmatched = f", {_signed(mix.unmatched)} products that only one side has" if mix.unmatched else ""
    return paragraph(
        element("strong", f"The share of positive labels changed by {_signed(mix.change)} points: "),
        f"{_signed(mix.mix)} the mix of products, {_signed(mix.within)} within products{unmatched}. "
        f"{shown_rate(mix.matched_share)} of this window's rows are of products that the reference has too.",
    )


def _signed(change: float) -> str:
    """Return a change of a share in points, never a negative zero."""
    return f"{round(100 * change, 1) + 0.0:+.1f}"


def _novel(found: Causes) -> Markup:
    if not found.novel:
        return Markup()
    ids = items(element("code", str(each)) for each in found.novel)
    told = "Predictions least like the reference, the strangest first; GET /predictions/{id} shows what was logged:"
    return joined([paragraph(told), ids])


def _known_cells(run: DriftRun, row: MetricRow) -> Sequence[str]:
    reference = shown_value(row.metric, row.reference_value)
    return metric_name(row), shown_interval(row), reference, f"{row.n:,}", row_badge(run, row)


def _estimates(rows: Sequence[MetricRow]) -> Markup:
    headings = ("estimate", "this window (95 % interval)", "reference", "rows")
    found = table("Without labels", headings, (_estimate_cells(row) for row in rows if row.metric != CHECKED))
    check = table(
        "The estimate beside the labels that came",
        ("measure", "with labels (95 % interval)", "estimated", "rows"),
        (_estimate_cells(row) for row in rows if row.metric == CHECKED),
    )
    if not found and not check:
        return Markup()
    return joined([found, _notes(rows), check, paragraph(_BLIND, class_="quiet")])


def _estimate_cells(row: MetricRow) -> Sequence[str]:
    flag = joined([" ", element("span", "withdrawn", class_="level withdrawn")]) if is_withdrawn(row) else ""
    reference = shown_value(row.metric, row.reference_value)
    return joined([metric_name(row), flag]), shown_interval(row), reference, f"{row.n:,}"


def _notes(rows: Sequence[MetricRow]) -> Markup:
    """Return the notes, each once, with the names of the metrics that have it."""
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row.note, []).append(metric_words(row.metric))
    return items(f"{', '.join(named)}: {note}" for note, named in names.items() if note)


def _coverage(found: Sequence[Coverage]) -> Markup:
    headings = ("days since", "predictions", "with a label", "share")
    return table("Labels by age of the prediction", headings, map(_coverage_cells, found))


def _age(days: int) -> str:
    return f"{days} and more" if days >= OLDEST_DAYS else str(days)


def _coverage_cells(found: Coverage) -> Sequence[str]:
    share = shown_rate(found.labelled / found.rows) if found.rows else ""
    return _age(found.days), f"{found.rows:,}", f"{found.labelled:,}", share


def _golden_cells(run: DriftRun, row: MetricRow) -> Sequence[str]:
    value, allowed = (shown_value(row.metric, number) for number in (row.value, row.threshold))
    return metric_name(row), value, allowed, f"{row.n:,}", row_badge(run, row)
