"""`prepare`: ratings to parts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from sentiment_api.review_files.columns import parse_named
from sentiment_train.commands import NewFolder, console

ProgressCallback = Callable[[str, float, int], None]

_PLAIN_EVERY_S = 10.0


def prepare(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Parquet, csv, tsv or jsonl files, the last three also as .gz: text, rating, product, time."
        ),
    ],
    out: NewFolder,
    labels: Annotated[
        Literal["binary", "three-way"], typer.Option(help="Leave 3 stars out, or call them neutral.")
    ] = "binary",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="A column whose name is not recognised, such as text=Body. Roles: text, rating, product_id, "
            "timestamp, category, id. May be given several times.",
        ),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of csv, tsv and jsonl files, such as latin-1.")] = "utf-8",
    skip_bad_rows: Annotated[
        bool,
        typer.Option(
            "--skip-bad-rows",
            help="Leave out and count rows that cannot be read or have no rating of 1 to 5; else they are an error.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what is recognised in the first rows of each file, and write nothing."),
    ] = False,
) -> None:
    """Clean ratings, make texts unique and split them into train, validation, reference and later.

    Near copies of texts that are held out do not train. README.md in the folder says what was left out and why.
    """
    from sentiment_api.review_files.row_batches import ReadOptions  # noqa: PLC0415 - heavy: --help needs none of it
    from sentiment_train.preparation import prepare  # noqa: PLC0415 - heavy: --help needs none of it

    options = ReadOptions(columns=parse_named(column or []), encoding=encoding, skip_bad_rows=skip_bad_rows)
    wanted = "train, validation, reference and later as parquet files, data.json, and README.md, the data card"
    if dry_run:
        console.print(f"would write {out}: {wanted}")
        console.print(_preview_table(prepare.preview(sources, out, options=options)))
        return
    console.print(f"will write {out}: {wanted}")
    with _progress() as on_progress:
        record = prepare.prepare(sources, out, labels=labels, options=options, on_progress=on_progress)
    console.print(_parts_table(record))
    for line in _leakage_lines(record):
        console.print(line, highlight=False)
    console.print(f"wrote {out}: hash {record['hash'][:12]}", highlight=False)


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


def _preview_table(found: list[dict[str, Any]]) -> Table:
    names = ("file", "columns", "times", "first rows", "kept", "left out", "mended")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for file in found:
        roles = ", ".join(role if role == name else f"{role}={name}" for role, name in file["columns"].items())
        counts = (_listed(file["rows_left_out"]), _listed(file["texts_mended"]))
        table.add_row(file["name"], roles, ", ".join(file["times"]), str(file["rows"]), str(file["kept"]), *counts)
    return table


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
