"""HTML and SVG from functions: a string is text and is escaped, what these functions return is markup and is kept."""

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """HTML that is safe to put into a page as it is."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str) -> Markup:
    """Return an element; of attributes `class_` stands for `class`, `stroke_width` for `stroke-width`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items() if value
    )
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def picture(title: str, width: int, height: int, *children: str) -> Markup:
    """Return an inline SVG; `title` is what those hear who do not see it."""
    marks = [element("title", title), *children]
    return element("svg", *marks, viewBox=f"0 0 {width} {height}", role="img")


def joined(children: Iterable[str]) -> Markup:
    """Return the children one after the other, those that are text escaped."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def section(heading: str, *children: str) -> Markup:
    """Return a section; without anything in it, nothing."""
    return element("section", element("h2", heading), *children) if any(children) else Markup()


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Return a table that scrolls in a box of its own; the first cell of each row names it. Without rows, nothing.

    The caption stays outside of the box: it wraps where the table scrolls.
    """
    body = [element("tr", element("th", first, scope="row"), *_cells(rest)) for first, *rest in rows]
    if not body:
        return Markup()
    head = element("thead", element("tr", *(element("th", heading, scope="col") for heading in headings)))
    found = element("table", head, element("tbody", *body), aria_label=caption)
    # With tabindex the box can be scrolled by keyboard.
    box = element("div", found, class_="scroll", tabindex="0", role="region", aria_label=caption)
    return joined([element("h3", caption), box])


def _cells(cells: Iterable[str]) -> Iterable[Markup]:
    return (element("td", cell) for cell in cells)


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Return names and what they stand for, without those that stand for nothing."""
    kept = [part for name, value in pairs if value for part in (element("dt", name), element("dd", value))]
    return element("dl", *kept) if kept else Markup()


def paragraph(*children: str, class_: str = "") -> Markup:
    """Return a paragraph."""
    return element("p", *children, class_=class_)


def items(lines: Iterable[str]) -> Markup:
    """Return a list of lines; of none, nothing."""
    found = [element("li", line) for line in lines]
    return element("ul", *found) if found else Markup()
