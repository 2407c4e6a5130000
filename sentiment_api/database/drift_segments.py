"""How the drift job's results name a part of a window, `KEY:VALUE`. The values are words of clients."""

from typing import Final

SHOWN_CHARACTERS: Final = 80
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def product_segment(product_id: str) -> str:
    """Return the segment of a product, as the tables have it."""
    return f"product:{product_id}"


def shown_segment(segment: str) -> str:
    """Return a segment as people are shown it: in one line, at most 80 characters, without what steers a terminal.

    Line breaks, escape characters, and those that turn the direction of writing are replaced.
    """
    clean = "".join(each if each.isprintable() else _REPLACEMENT for each in segment)
    return clean if len(clean) <= SHOWN_CHARACTERS else f"{clean[: SHOWN_CHARACTERS - 1]}…"
