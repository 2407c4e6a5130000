"""An evaluation as one HTML page that needs no other file: no script, nothing from elsewhere, light or dark."""

import base64
from collections.abc import Iterable, Mapping
from html import escape

from sentiment_train.evaluation.tables import FigureTable

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }}
figure {{ display: inline-block; vertical-align: top; margin: 0 1rem 1.5rem 0; max-width: 100%; }}
img {{ display: block; max-width: 100%; height: auto; background: white; }}
figcaption, caption {{ text-align: left; padding: 0.3rem 0; }}
caption {{ font-weight: 600; font-size: 1.15rem; }}
figcaption {{ max-width: 30rem; }}
div {{ overflow-x: auto; margin: 1.5rem 0; }}
table {{ border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid #8886; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
</style>
<h1>{title}</h1>
<p>{facts}</p>
{summary}
{pictures}
{details}
</html>
"""


def page(
    title: str,
    facts: Iterable[str],
    summary: Iterable[FigureTable],
    pictures: Mapping[str, bytes],
    details: Iterable[FigureTable],
) -> str:
    """Return the page: a title, `facts` a line each, tables, pictures (PNG by caption), and more tables.

    A table without rows is left out.
    """
    return _PAGE.format(
        title=escape(title),
        facts="<br>\n".join(map(escape, facts)),
        pictures="\n".join(_picture(caption, png) for caption, png in pictures.items()),
        summary=_tables(summary),
        details=_tables(details),
    )


def _picture(caption: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    words = escape(caption)
    return f'<figure><img alt="{words}" src="data:image/png;base64,{data}"><figcaption>{words}</figcaption></figure>'


def _tables(tables: Iterable[FigureTable]) -> str:
    return "\n".join(_table(table) for table in tables if table.rows)


def _table(table: FigureTable) -> str:
    caption = f"<caption>{escape(table.title)}</caption>"
    head = _row(table.columns, "th")
    rows = "\n".join(_row(row, "td") for row in table.rows)
    return f"<div><table>{caption}\n<thead>{head}</thead>\n<tbody>{rows}</tbody></table></div>"


def _row(cells: Iterable[str], kind: str) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"
