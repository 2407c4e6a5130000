"""How segments are named to people."""

from sentiment_api.database.drift_segments import SHOWN_CHARACTERS, product_segment, shown_segment


def test_what_is_plain_stays() -> None:
    """Spaces, umlauts and emoji are nobody's harm."""
    assert shown_segment(product_segment("Große Tasse 🙂")) == "product:Große Tasse 🙂"


def test_what_does_not_print_is_replaced() -> None:
    """Line breaks, escape characters and those that turn the writing direction."""
    assert shown_segment("a\nb\r\x1b\x9b\u2028\u202e\x7fc") == "a\ufffdb" + 6 * "\ufffd" + "c"


def test_what_is_long_is_cut() -> None:
    """80 characters are shown; of more the last one says that something is missing."""
    assert shown_segment("x" * SHOWN_CHARACTERS) == "x" * 80
    assert shown_segment("x" * (SHOWN_CHARACTERS + 1)) == "x" * 79 + "…"
