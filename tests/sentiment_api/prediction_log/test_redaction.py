"""What redaction finds in a review, what it leaves alone, and that no text makes it slow."""

import datetime as dt

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentiment_api.errors import SettingsInvalid
from sentiment_api.prediction_log.redaction import PLACEHOLDERS, Redactor, is_redacted
from sentiment_api.schemas.limits import MAX_TEXT_CHARACTERS

REDACTOR = Redactor("US")
PATIENCE = dt.timedelta(seconds=1)
"""Of a full-length text; a pattern that tries combinations takes minutes."""


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to joe.o'neil+shop@mail.example.co.uk.", "Write to [email]."),
        ("<jörg@müller.example>, please", "<[email]>, please"),
        ("a@b.example,c@d.example", "[email],[email]"),
        ("See https://bob:s3cret@shop.example/x", "See https://[credentials]@shop.example/x"),
        ("Call (212) 555-2368 now", "Call [phone] now"),
        ("212.555.2368", "[phone]"),
        ("tel:+49 (0)30 901820", "tel:[phone]"),
        ("+442079460958 or 1-800-555-0199", "[phone] or [phone]"),
        ("order 12, 212 555 2368, 3 pieces", "order 12, [phone], 3 pieces"),
        ("card 4111 1111 1111 1111 123", "card [card] 123"),
        ("card 1234 4111-1111-1111-1111", "card 1234 [card]"),
        ("4111111111111111!", "[card]!"),
        ("Amex 3782 822463 10005", "Amex [card]"),
        ("IBAN DE89 3704 0044 0532 0130 00 THANKS", "IBAN [iban] THANKS"),
        ("gb29nwbk60161331926819", "[iban]"),
        ("221B Baker Street, London", "[address], London"),
        ("at 1600 N. Pennsylvania Ave", "at [address]"),
        ("i live at 12 main street", "i live at [address]"),
        ("12 Oak Drive", "[address]"),
        ("PO Box 123", "[address]"),
        ("Hauptstraße 12a und Karl-Marx-Allee 3", "[address] und [address]"),
        ("in der Lange Str. 5", "in der [address]"),
        ("12 bis, rue de la Paix", "[address]"),
    ],
)
def test_contact_and_payment_data_are_replaced(text: str, redacted: str) -> None:
    """Each format has its placeholder, and the words around it stay."""
    assert REDACTOR.redact(text) == redacted
    assert is_redacted(redacted)


@pytest.mark.parametrize(
    "text",
    [
        "The lid never closes properly and the coffee is cold in ten minutes.",
        "Bought 2 in 2023 for $29.99, 100% cotton, 10-12 and 1,299,000.50 in all.",
        "64 GB Flash Drive, 128 GB USB Drive and 2 Hard Drives: 5 stars",
        "Delivered on 2026-11-01 at 12:30, order 2026/11/01",
        "Model X5551234567, tracking 1Z999AA10123456784",
        "Card 4111 1111 1111 1112",
        "DE89 3704 0044 0532 0130 01",
        "Follow @example, 10 @ 5 each",
        "My way home is 20 minutes, 3 main roads",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    """Prices, sizes, dates, models and numbers whose check digits are wrong stay as they are."""
    assert REDACTOR.redact(text) == text
    assert not is_redacted(text)


def test_a_text_without_digits_and_without_at_comes_back_itself() -> None:
    """Nothing is looked for, nor copied, where nothing can be."""
    text = "The lid never closes properly. " * 600
    assert REDACTOR.redact(text) is text


def test_after_many_candidates_the_rest_is_replaced_unseen() -> None:
    """Sixteen numbers that are nobody's stay; a library is not asked of the seventeenth, which goes to be safe."""
    assert REDACTOR.redact("12345678; " * 17) == "12345678; " * 16 + "[phone]; "


def test_a_number_without_a_countrys_code_is_of_the_region() -> None:
    """What is a telephone number in Germany is none in the United States."""
    assert Redactor("DE").redact("Ruf 030 901820 an") == "Ruf [phone] an"
    assert REDACTOR.redact("Ruf 030 901820 an") == "Ruf 030 901820 an"


@pytest.mark.parametrize("region", ["XX", "us", "", "Germany"])
def test_an_unknown_region_is_refused(region: str) -> None:
    """The setting is named, and what it should be."""
    with pytest.raises(SettingsInvalid, match="SENTIMENT_PHONE_REGION: expected a country's two letters such as US"):
        Redactor(region)


_ANY = st.text(max_size=40) | st.text("0123456789 +-().@a/:A", max_size=40)


@given(before=_ANY, after=_ANY, found=st.sampled_from(["joe@shop.example", "4111 1111 1111 1111", "+1 212 555 2368"]))
@example(before="1234", after="1234", found="4111 1111 1111 1111")
@settings(deadline=None, database=None)
def test_whatever_stands_around_it_is_found(before: str, after: str, found: str) -> None:
    """No neighbouring words, digits or signs hide what stands between blanks."""
    redacted = REDACTOR.redact(f"{before} {found} {after}")
    assert found not in redacted
    assert any(placeholder in redacted for placeholder in PLACEHOLDERS)


@given(piece=st.text("0123456789 +-().@aA/:_ü", min_size=1, max_size=12) | st.text(min_size=1, max_size=12))
@example(piece="1")
@example(piece="212-555-2368, ")
@example(piece="+1 212 555 2368 x ")
@example(piece="DE89 3704 0044 0532 0130 01 ")
@example(piece="4111 1111 1111 1112 ")
@example(piece="12 Aaaa Bbbb Cccc Dddd ")
@example(piece="Aaa str. 1")
@example(piece="a@")
@example(piece="a.")
@settings(deadline=PATIENCE, database=None, max_examples=150)
def test_no_text_takes_long(piece: str) -> None:
    """The longest text that is accepted, made of any piece over and over, is redacted in time."""
    REDACTOR.redact((piece * MAX_TEXT_CHARACTERS)[: MAX_TEXT_CHARACTERS - 10] + " 1a@1.1 1!")
