"""`README.md` of a prepared folder: what is in it, where it came from and what was left out, for people."""

from collections.abc import Iterable, Sequence
from typing import Any

from sentiment_api.review_files.options import ROLES

_CARD = """# Prepared ratings

Made by `sentiment-train prepare` from {rows_read} rows of {files}; {kept} are kept. The
figures stand in `data.json` too.

Hash of the data: `{hash}`. It covers texts, ratings, products, times and categories, in order.

## Parts

{parts}

{rules}

### Labels and stars

{balance}

### Lengths

In characters and in words: 5 %, half and 95 % of the texts are at most so long, and the longest.

{lengths}

## Rows left out

{left_out}

A text with fewer than two letters or digits counts as hardly any text. Of rows with the same text (Unicode NFKC, lower
case, single blanks) the earliest stays.

## Texts mended

{mended}

## Leakage

- Exact copies that would have lain in another part than the one that stays: {copies_across_parts}. Texts that two
  parts have in common, counted in the finished files: {texts_in_common}.
- Near copies (sets of three words in a row, MinHash of 14 bands of 8): {near}.{near_kept}
- Texts of `reference` that are near copies of ones in `{held_out}`: {near_held_out}. Neither trains, and they stay.
- What is left, measured exactly on a sample: of {sample_texts} held-out texts {at_80} have a likeness (Jaccard index)
  of 0.8 or more with one of {compared} training and validation texts, {at_50} one of 0.5 or more. The highest is
  {highest}; lower ones than 0.5 count as 0.
- Products that two parts share: {products}. By rule none is shared by train or validation with reference.{unknown}

## Categories and their cuts

{cuts}

## Sources

{sources}
"""


_BY_PRODUCT = "One product in five is `unseen`, by a hash of its id, and never trains."
_BY_TEXT = """One review in five is `unseen`, by a hash of its text, and never trains: no products are known."""
_BY_BOTH = """One product in five is `unseen`, by a hash of its id, and never trains. {rows} reviews have no product:
each is one of its own, by a hash of its text."""
_BY_TIME = """`later` is the last fifth of each category's time; `reference` is unseen but not later; validation is cut
from the rest by the same rules at 5 %."""
_BY_CHANCE = """`held_out` is one in five by another digit of that hash, since not all files have times; `reference` is
unseen but not held out; validation is one in ten of the rest. What is measured on `held_out` says nothing about change
over time."""
_NEAR_KEPT = """ Without them too
  few rows would be left to train on: near copies stay, and figures on what is held out flatter the model."""
_UNKNOWN = """
  Reviews without a product may be of the same one: leakage between products cannot be excluded for them."""


def _rules(split: dict[str, Any]) -> str:
    units = {"product": _BY_PRODUCT, "text": _BY_TEXT}
    unit = units.get(split["unit"], _BY_BOTH).format(rows=split["rows_without_product"])
    return f"{unit}\n{_BY_TIME if split['held_out_by'] == 'time' else _BY_CHANCE}"


def data_card(record: dict[str, Any]) -> str:
    """Return the card for a record as `preparation.prepare` makes it."""
    parts, leakage, near = record["parts"], record["leakage"], record["near_duplicates"]
    split = record["split"]
    sample = leakage["sample"]
    return _CARD.format(
        rows_read=record["rows_read"],
        rules=_rules(split),
        held_out=split["held_out"],
        unknown=_UNKNOWN if split["rows_without_product"] else "",
        kept=sum(part["rows"] for part in parts.values()),
        files="one file" if len(record["sources"]) == 1 else f"{len(record['sources'])} files",
        hash=record["hash"],
        parts=_table(
            ("part", "reviews", "of unseen products", "products", "from", "to"),
            ([name, p["rows"], p["unseen"], p["products"], p["from"], p["to"]] for name, p in parts.items()),
        ),
        balance=_table(
            ("part", *record["labels"], *(f"{rating} star" for rating in record["rating_labels"]), "without stars"),
            (
                [name, *(_share(p, label) for label in record["labels"]), *p["ratings"].values(), p["without_stars"]]
                for name, p in parts.items()
            ),
        ),
        lengths=_table(
            ("part", "characters", "words"),
            (
                [name, *(" / ".join(map(str, p[unit].values())) for unit in ("characters", "words"))]
                for name, p in parts.items()
            ),
        ),
        left_out=_counts(record["rows_left_out"], "reason", "rows"),
        mended=_counts(record["texts_mended"], "what was wrong", "texts"),
        copies_across_parts=record["copies_across_parts"],
        texts_in_common=leakage["texts_in_common"],
        near=_near(near["left_out"]),
        near_kept=_NEAR_KEPT if near["kept"] else "",
        near_held_out=near[f"reference_near_{split['held_out']}"],
        sample_texts=sample["texts"],
        compared=sample["compared_with"],
        at_80=sample["likeness_at_least"]["0.8"],
        at_50=sample["likeness_at_least"]["0.5"],
        highest=sample["highest"],
        products="; ".join(f"{pair}: {shared}" for pair, shared in leakage["products_in_common"].items()),
        cuts=_table(
            ("category", "validation from", "later from"),
            ([name, cut["validation"], cut["later"]] for name, cut in record["cuts"].items()),
        ),
        sources=_table(
            ("file", "rows", "form", "scale", "times", *ROLES),
            (
                [
                    source["name"],
                    source["rows"],
                    _facts(source["form"]),
                    _facts(source["scale"]),
                    ", ".join(source["times"]),
                    *(source["columns"].get(role, "") for role in ROLES),
                ]
                for source in record["sources"]
            ),
        ),
    )


def _facts(found: dict[str, Any]) -> str:
    """Return what was found of a file's form as words; files and counts are in the record."""
    return ", ".join(str(value) for value in found.values() if isinstance(value, str))


def _near(left_out: dict[str, dict[str, int]]) -> str:
    to_others = {
        own: ", ".join(f"{rows} near {other}" for other, rows in near.items()) for own, near in left_out.items()
    }
    return "; ".join(f"{sum(near.values())} left out of {own} ({to_others[own]})" for own, near in left_out.items())


def _share(part: dict[str, Any], label: str) -> str:
    rows = part["labels"].get(label, 0)
    return f"{rows} ({rows / max(part['rows'], 1):.1%})"


def _counts(counts: dict[str, int], what: str, unit: str) -> str:
    return _table((what, unit), ([reason, rows] for reason, rows in counts.items())) if counts else "None."


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
