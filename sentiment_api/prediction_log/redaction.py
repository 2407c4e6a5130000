"""Puts placeholders in the place of what looks like contact or payment data in a review.

It knows formats, not people: names, and formats that it does not know, stay. Every step is linear in the text's length,
and a library is asked of the first few candidates only; what comes after them is replaced unseen, so that no text,
however it was made, takes long or slips through for being long.
"""

import re
from collections.abc import Callable

from phonenumbers import SUPPORTED_REGIONS, PhoneNumberMatcher
from stdnum import iban, luhn

from sentiment_api.errors import SettingsInvalid

EMAIL = "[email]"
PHONE = "[phone]"
CARD = "[card]"
ADDRESS = "[address]"
IBAN = "[iban]"
CREDENTIALS = "[credentials]"
PLACEHOLDERS = (EMAIL, PHONE, CARD, ADDRESS, IBAN, CREDENTIALS)

_MOST_CHECKS = 16
_LONGEST_PHONE_RUN = 80
_Replace = Callable[[re.Match[str]], str]

_DIGIT = re.compile(r"[0-9]")
# user:password@ of a URL.
_CREDENTIALS = re.compile(r"://[^\s/@]{1,200}@")
# The look-behind lets a match begin only where a run begins; else each character of a long run would be a try.
_EMAIL = re.compile(r"(?<![\w.%+'-])[\w.%+'-]++@[\w-]++(?:\.[\w-]++)++")
# What all numbers below have in common, found ten times faster than they are.
_SEVEN_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9]){6}")
_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_GAP = r"[ .\u00a0\u2010-\u2015-]"
# In one run, or grouped as on the cards: 4-4-4-4, 4-6-5 and 4-6-4. A look-ahead finds those that begin in another one.
_CARD = re.compile(
    rf"(?<![0-9])(?=([0-9]{{4}}(?:{_GAP}[0-9]{{4}}){{3}}(?![0-9])|[0-9]{{4}}{_GAP}[0-9]{{6}}{_GAP}[0-9]{{4,5}}(?![0-9])"
    r"|[0-9]{13,19}(?![0-9])))"
)
# Seven digits or more with no more than three of these characters between two.
_PHONE = re.compile(r"(?<!\w)(?:\+|\(\+?)?[0-9](?:[ \t()./\u00a0\u2010-\u2015-]{0,3}[0-9]){6,}(?!\w)")
# The digit goes first and the look-behind after it, which the engine searches for five times as fast.
_NUMBER_AND_STREET = re.compile(
    r"[0-9](?<![\w.,][0-9])[0-9]{0,4}(?:"
    # 221B Baker Street; 1600 N. Pennsylvania Ave. Drives come with other names, too.
    r"[A-Za-z]?,? (?:[NSEW]\.? )?(?:[A-Z][\w'’.-]{0,30} ){1,4}"  # noqa: RUF001 - as people write it
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Boulevard|Blvd|Court|Ct|Terrace|Crescent|Highway|Hwy|Parkway|Pkwy"
    r"|(?<!Hard )(?<!Flash )(?<!Thumb )(?<!Disk )(?<!USB )(?<!State )(?<!External )(?<!Pen )Drive)\b"
    # 12 main street
    r"|[a-z]? [a-z]{2,30} (?:street|avenue|boulevard|road|lane)\b"
    # 12 rue de la Paix; 5, avenue Foch
    r"|(?: ?(?:bis|ter))?,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Ii]mpasse|[Qq]uai|[Cc]hemin) "
    r"(?:(?:de|du|des|la|le|les) |[dl]['’]){0,3}[A-Z][\w'’-]{0,30})"  # noqa: RUF001 - as people write it
)
# Hauptstraße 12, Lange Str. 5a, Karl-Marx-Allee 3, PO Box 7
_STREET_AND_NUMBER = re.compile(
    r"(?<!\w)(?:P\.? ?O\.? ?Box|(?:[A-ZÄÖÜ][\w.-]{0,30} )?(?:[A-ZÄÖÜ][\w-]{0,30}?)?"
    r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|[Aa]llee|[Gg]asse)) ?[0-9]{1,6}(?: ?[a-z])?(?!\w)"
)
_STREET_HINTS = ("tra", "tr.", "llee", "asse", "Box")


class Redactor:
    """Redacts texts. May be used from any thread."""

    def __init__(self, phone_region: str) -> None:
        """`phone_region` is the country of telephone numbers that do not begin with a country's code.

        Raises:
            SettingsInvalid: there is no such country.
        """
        if phone_region not in SUPPORTED_REGIONS:
            raise SettingsInvalid(
                "SENTIMENT_PHONE_REGION: expected a country's two letters such as US or DE, as ISO 3166 has them"
            )
        self._phone_region = phone_region

    def redact(self, text: str) -> str:
        """Return `text` with a placeholder in the place of each find; itself where nothing is found."""
        if "@" in text:
            text = _CREDENTIALS.sub(f"://{CREDENTIALS}@", text)
            text = _EMAIL.sub(EMAIL, text)
        if not _DIGIT.search(text):
            return text
        if _SEVEN_DIGITS.search(text):
            text = _IBAN.sub(_sparingly(_without_iban, IBAN), text)
            text = _without_cards(text)
            text = _PHONE.sub(_sparingly(self._without_phones, PHONE), text)
        text = _NUMBER_AND_STREET.sub(ADDRESS, text)
        if any(hint in text for hint in _STREET_HINTS):
            text = _STREET_AND_NUMBER.sub(ADDRESS, text)
        return text

    def _without_phones(self, run: re.Match[str]) -> str:
        """Return a run of digits with its telephone numbers replaced."""
        found = run[0]
        if found.startswith(("+", "(+")) or len(found) > _LONGEST_PHONE_RUN:
            return PHONE
        # The characters around tell dates, times and prices from telephone numbers.
        start = max(0, run.start() - 1)
        near = run.string[start : run.end() + 3]
        kept, done = "", run.start() - start
        end = done + len(found)
        for match in PhoneNumberMatcher(near, self._phone_region):
            kept += near[done : match.start] + PHONE
            done = match.end
        return kept + near[done:end]


def is_redacted(text: str) -> bool:
    """Return whether there is a placeholder in `text`: put there here, or written so."""
    return any(placeholder in text for placeholder in PLACEHOLDERS)


def _sparingly(replace: _Replace, placeholder: str) -> _Replace:
    """Return a function that replaces as `replace` does for the first few matches, and unseen after them."""
    checks = 0

    def replace_or_give_up(match: re.Match[str]) -> str:
        nonlocal checks
        checks += 1
        return replace(match) if checks <= _MOST_CHECKS else placeholder

    return replace_or_give_up


def _without_iban(run: re.Match[str]) -> str:
    """Return the run, whose beginning may be an account number and whose end the next words."""
    found = run[0]
    for end in range(len(found), 14, -1):
        if found[end - 1].isalnum() and iban.is_valid(found[:end], check_country=False):
            return IBAN + found[end:]
    return found


def _without_cards(text: str) -> str:
    kept, done = "", 0
    for checks, match in enumerate(_CARD.finditer(text)):
        start, end = match.span(1)
        unseen = checks >= _MOST_CHECKS
        if start >= done and (unseen or luhn.is_valid("".join(filter(str.isdigit, match[1])))):
            kept += text[done:start] + CARD
            done = end
    return kept + text[done:]
