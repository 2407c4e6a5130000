"""Which column of a table plays which role: by its name, and by whether its cells hold what the role needs."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.cells.missing import without_words_for_nothing
from sentiment_api.review_files.cells.ratings import rating_value
from sentiment_api.review_files.cells.times import TimeEvidence
from sentiment_api.review_files.libraries import pl
from sentiment_api.review_files.names import KNOWN_NAMES, MAIN_THINGS, OPENED, OTHER_THINGS, PARENTS, TOKENS
from sentiment_api.review_files.options import ROLES

_RATED = frozenset(("rating", "label"))
_CERTAIN_TEXTS = ("text", "review_text", "review_body")
"""Names of columns that hold the text, whatever stands there."""
_FITTING = 0.8
"""Of a column's cells that are not empty, how many must hold what its role needs."""
_WORDS = r"\S\s+\S|[^\x00-\x7f]{4}|\p{L}{12}"
"""What is found in a text of a customer, and in hardly any code or name."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TITLE_CHARACTERS = 40
_MOST_RATINGS = 201
"""Different ones in a sample; 0 to 100 in halves has as many."""
_PRODUCTS_TO_COMPARE = 3
_ROLE_OF = {"text": "a text", "rating": "a rating", "timestamp": "a time", "product_id": "a product"}


class MatchedColumns(dict[str, str]):
    """The table's column of each role that it has."""

    def __init__(self, columns: Mapping[str, str], notes: Sequence[str]) -> None:
        super().__init__(columns)
        self.notes = list(notes)
        """What is worth saying about the choice, as `column X looks like a time: ...`."""


def match_columns(sample: pl.DataFrame, named: Mapping[str, str], place: str, *, join_title: bool) -> MatchedColumns:
    """Return the column of each role for a table of which `sample` is the beginning.

    `named` gives columns by role and beats the known names; `place` names the table in errors.

    Raises:
        ReviewFileInvalid: no column is the text, or none is a rating or a label; or one that was named is missing.
    """
    columns = _named(sample.columns, named, place)
    roles = [role for role in ROLES if join_title or role != "title"]
    for find in (_by_name, _by_words):
        for role in roles:
            # Something else than a rating is asked for only where there is none.
            if role not in columns and not (role in _RATED and columns.keys() & _RATED):
                columns |= find(sample, role, set(columns.values()))
    _swap_title(sample, columns, named)
    _check_required(sample, columns, place)
    _check_doubles(sample, columns, named, place)
    notes = _notes(sample, columns, named)
    if "title" not in named and _names_products(sample, columns):
        notes.append(f"`{columns.pop('title')}` names the product and is no title")
    return MatchedColumns({role: columns[role] for role in ROLES if role in columns}, notes)


def plain_name(name: str) -> str:
    """Return a column's name in lower case and without accents, its words divided by underscores: `review_text`."""
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", name.rpartition(":")[2]) if not unicodedata.combining(sign)
    )
    return "_".join(re.findall(r"[^\W_]+", _CAMEL.sub("_", plain).lower()))


def _named(found: Sequence[str], named: Mapping[str, str], place: str) -> dict[str, str]:
    by_name = {" ".join(name.lower().split()): name for name in reversed(found)}
    columns = {}
    for role, name in named.items():
        column = by_name.get(" ".join(name.lower().split()))
        if column is None:
            raise ReviewFileInvalid(
                f"{place} has no column {name!r} for --column {role}={name}; it has {', '.join(map(repr, found))}"
            )
        columns[role] = column
    return columns


def _by_name(sample: pl.DataFrame, role: str, taken: set[str]) -> dict[str, str]:
    """Return the first column with a known name of the role, and with cells that fit it, by the role."""
    names = KNOWN_NAMES[role]
    ranked = sorted(
        (names.index(name), rank, column)
        for column in sample.columns
        if column not in taken
        for rank, name in enumerate(_names_of(column))
        if name in names
    )
    fitting = (
        column
        for place, _, column in ranked
        if (role == "text" and names[place] in _CERTAIN_TEXTS) or _fits(sample[column], role)
    )
    return dict.fromkeys([role], first) if (first := next(fitting, None)) is not None else {}


def _names_of(column: str) -> list[str]:
    """Return the names under which a column counts: its own, its object's, and its own within a review's object."""
    *parents, last = [plain_name(part) for part in re.split(r"[./](?=[^\s])", column)]
    names = ["_".join([*parents, last])]
    if parents and last in OPENED:
        names.append("_".join(parents))
        names.append(parents[-1])
    if parents and parents[-1] in PARENTS:
        names.append(last)
    return names


def _by_words(sample: pl.DataFrame, role: str, taken: set[str]) -> dict[str, str]:
    """Return the only column whose name has a word of the role and no other's, and whose cells fit.

    For a text it may have any name if the table has no other texts, and for a time if it has no other dates.
    """
    candidates = _candidates(sample, role, taken)
    if role == "text" and not candidates:
        candidates = [
            column for column in sample.columns if column not in taken and _is_text(_stated(sample[column]))
            and _mean_length(sample[column]) >= _TITLE_CHARACTERS / 2
        ]  # fmt: skip
    if role == "timestamp" and not candidates:
        candidates = [
            column for column in sample.columns if column not in taken and not _words(column) & OTHER_THINGS
            and _fits(sample[column], role) and not _is_number(sample[column])
        ]  # fmt: skip
    if role == "rating" and len(candidates) > 1:
        candidates = [column for column in candidates if _words(column) & MAIN_THINGS]
    return dict.fromkeys([role], candidates[0]) if len(candidates) == 1 else {}


def _candidates(sample: pl.DataFrame, role: str, taken: set[str]) -> list[str]:
    return [
        column
        for column in sample.columns
        if column not in taken
        and _words(column) & TOKENS.get(role, frozenset())
        and not _words(column) & OTHER_THINGS - (MAIN_THINGS if role == "rating" else frozenset())
        and _fits(sample[column], role)
        and (role != "text" or _is_text(_stated(sample[column])))
    ]


def _words(column: str) -> set[str]:
    return set(re.split(r"[_.]", ".".join(plain_name(part) for part in column.split("."))))


def _fits(cells: pl.Series, role: str) -> bool:
    """Whether the cells of a column hold what its role needs; empty ones hold it."""
    check = _CHECKS.get(role)
    if cells.dtype.is_temporal():
        return role == "timestamp"
    stated = _stated(cells)
    return check is None or (len(stated) > 0 and check(stated))


def _stated(cells: pl.Series) -> pl.Series:
    return without_words_for_nothing(cells.cast(pl.String)).drop_nulls()


def _share(fitting: pl.Series) -> float:
    return int(fitting.sum()) / max(1, len(fitting))


def _is_text(cells: pl.Series) -> bool:
    return _share(cells.str.contains(_WORDS)) >= _FITTING / 2 and not _is_rating(cells) and not _is_time(cells)


def _is_title(cells: pl.Series) -> bool:
    return _share(cells.str.contains(r"\p{L}{2}")) >= _FITTING and not _is_label(cells) and not _is_time(cells)


def _is_rating(cells: pl.Series) -> bool:
    values = [rating_value(text) for text in cells.head(1_000)]
    numbers = [
        value.number for value in values if value is not None and value.number is not None and -1 <= value.number <= 100
    ]
    return len(numbers) >= _FITTING * len(values) and 1 < len(set(numbers)) <= _MOST_RATINGS


def _is_label(cells: pl.Series) -> bool:
    values = [rating_value(text) for text in cells.head(1_000)]
    few = cells.n_unique() <= 20
    return few and sum(value is not None for value in values) >= _FITTING * len(values)


def _is_time(cells: pl.Series) -> bool:
    evidence = TimeEvidence()
    evidence.observe(cells)
    return evidence.kinds.total() - evidence.kinds["others"] >= _FITTING * evidence.kinds.total() > 0


def _is_number(cells: pl.Series) -> bool:
    return cells.dtype == pl.String and bool(cells.drop_nulls().str.contains(r"^\s*-?[\d.,]+\s*$").any())


def _is_product(cells: pl.Series) -> bool:
    return not _is_text(cells) or cells.n_unique() < len(cells) / 2


_CHECKS: dict[str, Callable[[pl.Series], bool]] = {
    "text": _is_title,
    "title": _is_title,
    "rating": lambda cells: _is_rating(cells) or _is_label(cells),
    "label": _is_label,
    "timestamp": _is_time,
    "product_id": _is_product,
}


def _swap_title(sample: pl.DataFrame, columns: dict[str, str], named: Mapping[str, str]) -> None:
    """Take the longer of text and title as the text, as where the title is called `Review` and the text `Summary`."""
    if "title" not in columns or named.keys() & {"text", "title"} or "text" not in columns:
        return
    text, title = (_mean_length(sample[columns[role]]) for role in ("text", "title"))
    if text < _TITLE_CHARACTERS and title > 1.5 * text:
        columns["text"], columns["title"] = columns["title"], columns["text"]


def _mean_length(cells: pl.Series) -> float:
    length = _stated(cells).str.len_chars().mean()
    return float(length) if isinstance(length, float) else 0.0


def _check_required(sample: pl.DataFrame, columns: Mapping[str, str], place: str) -> None:
    missing = [
        role for role in ("text", "rating") if role not in columns and not (role == "rating" and "label" in columns)
    ]
    if missing:
        advice = "; ".join(_suggestion(sample, role, columns) for role in missing)
        what = " and ".join("the text" if role == "text" else "a rating or a label" for role in missing)
        raise ReviewFileInvalid(
            f"cannot tell which column of {place} is {what}; {advice}. Its columns: {', '.join(sample.columns)}"
        )


def _suggestion(sample: pl.DataFrame, role: str, columns: Mapping[str, str]) -> str:
    taken = set(columns.values())
    fitting = [column for column in sample.columns if column not in taken and _fits(sample[column], role)]
    if role == "text":
        fitting = [column for column in fitting if _is_text(_stated(sample[column]))]
        fitting.sort(key=lambda column: -_mean_length(sample[column]))
    else:
        fitting.sort(key=lambda column: not _words(column) & TOKENS[role])
    if not fitting:
        return f"none looks like {_ROLE_OF[role]}: name it with --column {role}=NAME"
    named = " or ".join(f"`--column {role}={column}`" for column in fitting[:3])
    return f"`{fitting[0]}` looks like {_ROLE_OF[role]}: {named}"


def _check_doubles(sample: pl.DataFrame, columns: Mapping[str, str], named: Mapping[str, str], place: str) -> None:
    for role in ("text", "rating", "label"):
        column = columns.get(role)
        if column is not None and role not in named and f"{column} (2)" in sample.columns:
            raise ReviewFileInvalid(
                f"{place} has two columns {column!r}; say which is meant: `--column {role}={column}` or "
                f"`--column '{role}={column} (2)'`"
            )


def _names_products(sample: pl.DataFrame, columns: Mapping[str, str]) -> bool:
    """Whether each product has one title for all of its reviews: then that is the product's name."""
    if not {"title", "product_id"} <= columns.keys():
        return False
    titles = sample.group_by(columns["product_id"]).agg(
        pl.len().alias("rows"), pl.n_unique(columns["title"]).alias("titles")
    )
    several = titles.filter(pl.col("rows") > 1)
    return len(several) >= _PRODUCTS_TO_COMPARE and bool((several["titles"] == 1).all())


def _notes(sample: pl.DataFrame, columns: Mapping[str, str], named: Mapping[str, str]) -> list[str]:
    notes = []
    for role in ("timestamp", "product_id"):
        candidates = [] if role in columns else _candidates(sample, role, set(columns.values()))
        if candidates:
            notes.append(f"`{candidates[0]}` may be {_ROLE_OF[role]}: --column {role}={candidates[0]}")
    if "label" in columns and "label" not in named:
        notes.append(f"no rating: `{columns['label']}` says what is positive and negative")
    return notes
