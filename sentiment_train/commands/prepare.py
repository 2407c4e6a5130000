"""`look` and `prepare`: what is in files of ratings, and ratings to parts."""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from sentiment_api.review_files.options import without_password
from sentiment_train.commands import NewFolder, console
from sentiment_train.commands.option_groups import grouped_options
from sentiment_train.commands.reading_options import READING, ReadingOptions, Sources

ProgressCallback = Callable[[str, float, int], None]

_PLAIN_EVERY_S = 10.0
_SHOWN_CHARACTERS = 80


@grouped_options(reading=READING)
def look(sources: Sources, *, reading: ReadingOptions) -> None:
    """Say what is in files of ratings: columns, form, scale, times, counts, five rows, and how to go on.

    Nothing is written. What is not certain stops, with the option that settles it.
    """
    _show_overviews(sources, reading, _look_for(sources, reading))


@grouped_options(reading=READING)
def prepare(
    sources: Sources,
    out: NewFolder,
    *,
    labels: Annotated[
        Literal["binary", "three-way"], typer.Option(help="Leave 3 stars out, or call them neutral.")
    ] = "binary",
    reading: ReadingOptions,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is in the files, as `look` does, and write nothing.")
    ] = False,
) -> None:
    """Clean ratings, make texts unique and split them into train, validation, reference and a part that is held out.

    Only a text and a rating (or a label) are needed; what else a file has is found out. Near copies of texts that are
    held out do not train. README.md in the folder says what was left out and why.
    """
    from sentiment_train.preparation import prepare  # noqa: PLC0415 - heavy: --help needs none of it

    wanted = "the parts as parquet files, data.json, and README.md, the data card"
    if dry_run:
        console.print(f"would write {out}: {wanted}")
        _show_overviews(sources, reading, _look_for(sources, reading))
        return
    console.print(f"will write {out}: {wanted}")
    with _progress() as on_progress:
        record = prepare.prepare(sources, out, labels=labels, options=reading.read(), on_progress=on_progress)
    for source in record["sources"]:
        console.print(_described(source), highlight=False, markup=False)
    console.print(_parts_table(record))
    for line in (*_split_lines(record), *_leakage_lines(record)):
        console.print(line, highlight=False)
    console.print(f"wrote {out}: hash {record['hash'][:12]}", highlight=False)


def _look_for(sources: list[str], reading: ReadingOptions) -> list[Any]:
    from sentiment_train.preparation.look import overview  # noqa: PLC0415 - heavy: --help needs none of it

    with _progress() as on_progress:
        return overview(sources, reading.read(), on_progress)


def _show_overviews(sources: list[str], reading: ReadingOptions, overviews: list[Any]) -> None:
    for each in overviews:
        console.print(_described(each.found), highlight=False, markup=False)
        counts: dict[str, Mapping[Any, int]] = {
            "ratings": each.ratings, "years": each.years, "left out": +each.left_out, "texts mended": +each.mended,
        }  # fmt: skip
        for name, found in counts.items():
            console.print(f"  {name}: {_by_value(found) or 'none'}", highlight=False, markup=False)
        console.print(f"  {each.kept} rows to use; {each.duplicates} texts stand there twice", highlight=False)
        console.print(_rows_table(each.first))
    words = ["sentiment-train", "prepare", *map(without_password, sources), *_given(reading), "--out", "prepared"]
    console.print(f"go on with: {shlex.join(words)}", highlight=False, markup=False, soft_wrap=True)


def _given(reading: ReadingOptions) -> Iterator[str]:
    """Yield the options that were given, so that the next command has them too."""
    for name in READING:
        value, option = getattr(reading, name), f"--{name.replace('_', '-')}"
        if name == "join_title":
            yield from () if value else ("--no-title",)
        elif name == "skip_bad_rows":
            yield from (option,) if value else ()
        else:
            for each in value if isinstance(value, list) else [value] if value is not None else []:
                yield from (option, str(each))


def _described(found: Mapping[str, Any]) -> str:
    """Return in one line what a file was taken for, with a further line for each thing that is worth saying."""
    scale = next(iter(found["scale"].values()), "")
    said = {"rating": scale, "label": scale, "timestamp": ", ".join(found["times"])}
    columns = [
        f"{role}={name}" + (f" ({said[role]})" if said.get(role) else "") for role, name in found["columns"].items()
    ]
    form = ", ".join(
        f"{key}: {value}" if isinstance(value, int) else str(value)
        for key, value in found["form"].items()
        if not isinstance(value, list | dict)
    )
    missing = [
        name for role, name in (("product_id", "product"), ("timestamp", "time")) if role not in found["columns"]
    ]
    lines = [
        f"{found['name']}: {found['rows']} rows; {form}; {', '.join(columns)}"
        + (f"; no {' and no '.join(missing)}" if missing else "")
        + (f" [{found['profile']}]" if found["profile"] else "")
    ]
    empty = ", ".join(f"{rows} in {role}" for role, rows in found["words_for_nothing"].items())
    lines += [f"  {note}" for note in found["notes"]] + ([f"  cells such as NA are empty: {empty}"] if empty else [])
    return "\n".join(lines)


def _by_value(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{value}: {counts[value]}" for value in sorted(counts, key=str))


def _rows_table(rows: Any) -> Table:  # noqa: ANN401 - polars is heavy: --help needs none of it
    names = ("text", "rating", "polarity", "product_id", "timestamp", "category")
    table = Table(*names)
    for row in [] if rows is None else rows.select(names).iter_rows():
        table.add_row(*(_shown(cell) for cell in row))
    return table


def _shown(cell: Any) -> str:  # noqa: ANN401 - whatever a row holds
    text = "" if cell is None else " ".join(str(cell).split())
    return escape(text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…")


def _split_lines(record: Mapping[str, Any]) -> Iterator[str]:
    split = record["split"]
    if split["rows_without_product"]:
        yield (
            f"{split['rows_without_product']} rows have no product: each is one of its own; leakage between products "
            "cannot be excluded"
        )
    if split["held_out_by"] == "chance":
        yield "not all files have times: held_out is drawn at random, and says nothing about change over time"


@contextmanager
def _progress() -> Iterator[ProgressCallback]:
    """Yield what shows how far the work is: a bar in a terminal, else a line each ten seconds."""
    if not console.is_terminal:
        yield _plain_lines()
        return
    bars = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows"),
    )
    with Progress(*bars, TimeRemainingColumn(), console=console, transient=True) as progress:
        tasks = {stage: progress.add_task(stage, total=1.0, rows=0) for stage in ("read", "sort", "write")}
        yield lambda stage, share, rows: progress.update(tasks[stage], completed=share, rows=rows)


def _plain_lines() -> ProgressCallback:
    last = time.monotonic()

    def on_progress(stage: str, share: float, rows: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PLAIN_EVERY_S:
            last = time.monotonic()
            console.print(f"{stage} {share:.0%}, {rows} rows", highlight=False)

    return on_progress


def _parts_table(record: dict[str, Any]) -> Table:
    left_out = f"left out: {_listed(record['rows_left_out']) or 'none'}"
    mended = f"; mended: {_listed(record['texts_mended'])}" if record["texts_mended"] else ""
    table = Table("part", "reviews", "labels", title=f"{record['rows_read']} rows; {left_out}{mended}")
    for name, counts in record["parts"].items():
        labels = (f"{label} {rows} ({rows / counts['rows']:.0%})" for label, rows in counts["labels"].items())
        table.add_row(name, str(counts["rows"]), ", ".join(labels))
    return table


def _leakage_lines(record: dict[str, Any]) -> Iterator[str]:
    near = {own: sum(others.values()) for own, others in record["near_duplicates"]["left_out"].items()}
    leakage, sample = record["leakage"], record["leakage"]["sample"]
    if record["near_duplicates"]["kept"]:
        yield (
            "warning: near copies of texts that are held out train, since too few rows would be left without them; "
            "figures will flatter the model: give more ratings before you trust them"
        )
    yield (
        f"leakage: {record['copies_across_parts']} exact copies across parts, {near['train']} near copies in train and "
        f"{near['validation']} in validation were left out; {leakage['texts_in_common']} texts are in two parts"
    )
    yield (
        f"left after that: {sample['likeness_at_least']['0.8']} of {sample['texts']} held-out texts have a near copy "
        f"(likeness 0.8) that trains, {sample['likeness_at_least']['0.5']} one of 0.5"
    )
    shared = ((pair, rows) for pair, rows in leakage["products_in_common"].items() if rows)
    yield f"products in two parts: {'; '.join(f'{pair} {rows}' for pair, rows in shared) or 'none'}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{rows} {reason}" for reason, rows in counts.items())
