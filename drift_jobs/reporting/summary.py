"""The page of a run: our verdict and what stands behind it on top, below it what Evidently describes.

Our part needs no script and nothing from outside. The page is served in a sandbox, under a Content-Security-Policy that
lets nothing be loaded; yet it allows inline scripts, since Evidently's part is made of them. So it is the escaping in
`elements` alone that keeps a client's words from becoming a script.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from drift_jobs.reporting.elements import Markup, element, facts, joined, paragraph
from drift_jobs.reporting.evidence import accuracy, causes, false_alarms, golden_texts
from drift_jobs.reporting.findings import changed, every_metric, unseen
from drift_jobs.reporting.pictures import trend
from drift_jobs.reporting.wording import badge, shown_moment, shown_rows, shown_window
from drift_jobs.runs import DriftRun

DESCRIBED_ROWS: Final = 10_000
"""Rows of each side that Evidently is shown: it only describes, and its time grows with them."""
_TRAINING_DATA = (
    "The reference is training data, not your own traffic. What differs from it is told here and is no alarm."
)
_STYLE = Path(__file__).with_name("page.css")


def report_page(
    run: DriftRun,
    description: str | None,
    left_out: Sequence[str] = (),
    history: Sequence[DriftRun] = (),
    failure: str = "",
) -> str:
    """Return one self-contained page: the summary on top, below it the page `description`, when there is one.

    `left_out` names what Evidently could not describe, `failure` why there is no page of it. `history` are earlier runs
    with their metrics, in any order.
    """
    below = _introduction(run, left_out) if description else _missing(failure) if failure else ""
    summary = joined([_summary(run, history), below])
    if description is None:
        title = element("title", f"Drift: {run.model_name} {run.model_version}")
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{title}'
        return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{summary}</body></html>'
    before, body, after = description.partition("<body>")
    return f"{before}{body}{summary}{after}"


def _summary(run: DriftRun, history: Sequence[DriftRun]) -> Markup:
    style = element("style", Markup(_STYLE.read_text(encoding="utf-8")))
    sections = (
        changed(run), trend(run, history), unseen(run), causes(run.details.causes), accuracy(run), golden_texts(run),
        false_alarms(run.details.back_test), every_metric(run),
    )  # fmt: skip
    return joined([style, element("main", _verdict(run), *sections, class_="run")])


def _verdict(run: DriftRun) -> Markup:
    """Return the level, the reason, and what was compared with what."""
    return element(
        "header",
        element("h1", badge(run.verdict)),
        paragraph(run.reason, class_="reason"),
        "" if run.details.alarming else paragraph(_TRAINING_DATA, class_="notice"),
        facts(
            (
                ("window", shown_window(run)),
                ("rows", shown_rows(run)),
                ("reference", f"{run.reference}, {run.n_reference:,} rows"),
                ("model", f"{run.model_name} {run.model_version}"),
                ("run", f"{run.run_id}, revision {run.revision}, {shown_moment(run.started_at)}"),
            )
        ),
    )


def _introduction(run: DriftRun, left_out: Sequence[str]) -> Markup:
    """Return the line between our summary and Evidently's part."""
    sides = (("window", run.n_current), ("reference", run.n_reference))
    samples = [f"{DESCRIBED_ROWS:,} of {n:,} rows of the {side}" for side, n in sides if n > DESCRIBED_ROWS]
    lines = [
        "Described by Evidently, which judges nothing here.",
        f"Drawn at random: {' and '.join(samples)}." if samples else "",
        f"Not described: {', '.join(left_out)}." if left_out else "",
    ]
    return _columns(" ".join(filter(None, lines)))


def _missing(failure: str) -> Markup:
    """Return the line that stands where Evidently's part would."""
    return _columns(f"Evidently's part is missing: it failed with {failure}. What is above does not depend on it.")


def _columns(text: str) -> Markup:
    return element("section", element("h2", "The columns"), paragraph(text, class_="described"), class_="run columns")
