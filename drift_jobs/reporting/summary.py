"""The top of a report: our verdict, what was compared, and one line for each metric, as HTML."""

from html import escape

from drift_jobs.runs import LEVEL_NAMES, DriftRun, Level, MetricRow, outcome

_STYLE = """
.verdict { font: 15px/1.5 system-ui, sans-serif; max-width: 1160px; margin: 24px auto; padding: 12px 16px }
.verdict { color: #1d2733; background: #fff }
.verdict h1 { font-size: 26px; margin: 0 0 4px } .verdict p { margin: 4px 0 12px }
.verdict .level { padding: 1px 10px; border-radius: 10px; white-space: nowrap; color: #1d2733; background: #e4e8ec }
.verdict .none { background: #d3efdc } .verdict .watch { background: #ffe5a8 } .verdict .drift { background: #ffc9c4 }
.verdict dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px } .verdict dd { margin: 0 }
.verdict table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
.verdict th, .verdict td { padding: 4px 8px; border-bottom: 1px solid #dde2e7; text-align: right }
.verdict th:first-child, .verdict td:first-child { text-align: left } .verdict .scroll { overflow-x: auto }
"""
_HEADINGS = (
    "metric", "current", "reference", "effect", "floor", "adjusted p", "threshold", "direction", "rows", "verdict",
)  # fmt: skip
_NOTE = (
    "A metric is in watch or drift when its adjusted p is small (Holm over all tests of the run: below 0.05 for watch, "
    "below 0.01 for drift) and its effect is at least its floor. Reviews of one product resemble each other, which the "
    "p-values know. Metrics without a floor are described, not tested."
)


def report_page(run: DriftRun, description: str | None, left_out: tuple[str, ...] = ()) -> str:
    """Return one self-contained page: the verdict on top, below it the page `description`, when there is one."""
    if description is None:
        head = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Drift</title></head>'
        return f"{head}<body>{_block(run, left_out)}</body></html>"
    before, body, after = description.partition("<body>")
    return f"{before}{body}{_block(run, left_out)}{after}"


def _block(run: DriftRun, left_out: tuple[str, ...]) -> str:
    rows = "".join(map(_row, run.metrics))
    headings = "".join(f'<th scope="col">{name}</th>' for name in _HEADINGS)
    table = f'<div class="scroll"><table><thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table></div>'
    facts = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in _facts(run, left_out).items())
    return (
        f'<style>{_STYLE}</style><section class="verdict"><h1>{_badge(run.verdict)}</h1><p>{escape(run.reason)}</p>'
        f"<dl>{facts}</dl>{table if run.metrics else ''}<p>{_NOTE}</p></section>"
    )


def _facts(run: DriftRun, left_out: tuple[str, ...]) -> dict[str, str]:
    facts = {
        "window": f"{run.window_start:%Y-%m-%d %H:%M} to {run.window_end:%Y-%m-%d %H:%M} UTC, {run.n_current:,} rows",
        "reference": f"{run.reference}, {run.n_reference:,} rows",
        "model": f"{run.model_name} {run.model_version}",
        "run": f"{run.run_id}, revision {run.revision}, {run.started_at:%Y-%m-%d %H:%M} UTC",
    }
    return facts | ({"not described": ", ".join(left_out)} if left_out else {})


def _row(row: MetricRow) -> str:
    cells = [
        escape(row.metric),
        *map(_number, (row.value, row.reference_value, row.effect, row.floor)),
        _p_value(row.adjusted_p),
        _number(row.threshold),
        "" if row.direction == "none" else row.direction,
        f"{row.n:,}",
        outcome(row) if row.p_value is None else _badge(row.verdict),
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _badge(level: Level) -> str:
    return f'<span class="level {level}">{LEVEL_NAMES[level]}</span>'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _p_value(value: float | None) -> str:
    if value is None:
        return ""
    return "&lt; 0.0001" if value < 1e-4 else f"{value:.4f}"
