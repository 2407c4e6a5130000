"""`sentiment-api db export-feedback`: what training gets to read, and what the command refuses."""

import datetime as dt
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.commands.export_feedback import Exported, export_feedback, unambiguous
from sentiment_api.database.partitions import first_id
from sentiment_api.errors import ExportRefused
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, Record, encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.review_files.cells.missing import WORDS_FOR_NOTHING
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.reading import open_review_files
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.metrics import Metrics
from sentiment_train.preparation.prepare import prepare
from tests.preloaded import program
from tests.protocols import NewRecord, StoreShop

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
ODD_TEXTS = [
    'She said "no", twice.',
    "Two lines,\nand a third\r\nafter it\rand one more",
    "=1+1; 'x' | \\n \\",
    "Grüße 😀 \u2028 \x85 end",
    "# not a comment",
    '"',
    "NaN",
    "null",
]


@pytest.fixture
def store(engine: AsyncEngine, spool: Spool) -> StoreShop:
    """A function that brings records to the fresh database, as the service does."""

    async def store(*records: Record) -> None:
        for record in records:
            spool.append(encode(record))
        assert await Shipper(spool, engine, Metrics()).ship()

    return store


def said(prediction: PredictionRecord, rating: int | None = None, label: str | None = None) -> FeedbackRecord:
    """Return feedback for a prediction."""
    return FeedbackRecord(
        feedback_id=uuid7(), prediction_id=prediction.prediction_id, rating=rating, label=label, request_id="r-1"
    )


async def export(
    engine: AsyncEngine,
    path: Path,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    *,
    force: bool = False,
    ratings: dict[str, int] | None = None,
) -> Exported:
    """Export as the command does; without `ratings` nobody may ask for them."""

    def asked() -> dict[str, int]:
        assert ratings is not None, "the model was asked for, which may not be at hand"
        return ratings

    return await export_feedback(engine, path, start, end, force=force, ratings=asked, tell=lambda _: None)


def names_in(folder: Path) -> list[str]:
    """Return what is in the folder."""
    return sorted(path.name for path in folder.iterdir())


def run(settings: DatabaseSettings, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    assert settings.database_url is not None
    return program("sentiment_api").run(
        "db",
        "export-feedback",
        *map(str, arguments),
        environment={"SENTIMENT_DATABASE_URL": settings.database_url.get_secret_value()},
    )


def rows_in(path: Path) -> list[tuple[object, ...]]:
    """Return id, text, rating, product and time of each row as training reads them, before it cleans anything."""
    with open_review_files([str(path)], ReadOptions(join_title=False)) as (file,):
        (batch,) = file.batches()
    return batch.rows.select("id", "text", "rating", "product_id", "timestamp").rows()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "jsonl.gz"])
async def test_training_reads_what_was_said(
    engine: AsyncEngine, store: StoreShop, new_record: NewRecord, tmp_path: Path, ending: str
) -> None:
    """Every form of file gives training each text, rating, product and time as logged; `NaN` and `null` are none."""
    records = [new_record(text=text, product_id=f"00{n}") for n, text in enumerate(ODD_TEXTS)]
    records.append(new_record(text="Undated.", event_timestamp=None, product_id=None))
    ratings = [1 + n % 5 for n in range(len(records))]
    await store(*records, *(said(*pair) for pair in zip(records, ratings, strict=True)))
    path = tmp_path / f"shop.{ending}"
    assert await export(engine, path) == Exported(
        written=9, redacted=0, without_product=1, without_text=0, without_rating=0
    )
    moments = [r.event_timestamp or r.row()["created_at"] for r in records]
    assert rows_in(path) == [
        (
            str(record.prediction_id),
            None if record.text in WORDS_FOR_NOTHING else record.text,
            rating,
            record.product_id,
            moment,
        )
        for record, rating, moment in zip(records, ratings, moments, strict=True)
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == [f"shop.{ending}", "spool"]


async def test_a_whole_shop_goes_through_prepare(
    database_settings: DatabaseSettings, store: StoreShop, new_record: NewRecord, tmp_path: Path
) -> None:
    """`sentiment-train prepare` takes the command's file as it is and makes its parts of all the rows."""
    records = [
        new_record(
            text=f"Mug number {n}, write to [email]" if n % 100 == 0 else f"Mug number {n}",
            product_id=f"mug-{n % 41}",
            event_timestamp=START + dt.timedelta(hours=n),
        )
        for n in range(400)
    ]
    await store(*records, *(said(record, 1 + 4 * (n % 2)) for n, record in enumerate(records)))
    path = tmp_path / "ratings.jsonl.gz"
    finished = run(database_settings, path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == f"wrote {path}: 400 reviews with a rating, 4 of them redacted\n"
    prepared = prepare([path], tmp_path / "prepared")
    assert prepared["rows_read"] == 400
    assert sum(part["rows"] for part in prepared["parts"].values()) == 400
    again = run(database_settings, path)
    assert (again.returncode, again.stderr) == (
        1,
        f"sentiment-api: {path} exists; give another name, or --force to replace it\n",
    )
    assert run(database_settings, path, "--force").returncode == 0


async def test_the_latest_feedback_of_customers_counts(
    engine: AsyncEngine, store: StoreShop, new_record: NewRecord, tmp_path: Path
) -> None:
    """An earlier rating is replaced by a later one, and our own tries and unrated predictions are no training data."""
    rated, unrated = new_record(text="rated"), new_record(text="unrated")
    golden, bench = (new_record(text=source, source=source) for source in ("golden", "bench"))
    await store(rated, unrated, golden, bench, said(rated, 1), said(rated, 4), said(golden, 5), said(bench, 5))
    assert (await export(engine, tmp_path / "a.csv")).written == 1
    assert rows_in(tmp_path / "a.csv")[0][1:3] == ("rated", 4)


async def test_a_time_can_be_chosen(
    engine: AsyncEngine, store: StoreShop, new_record: NewRecord, tmp_path: Path
) -> None:
    """`from` is inclusive and `to` exclusive, over the months of the table."""
    moments = [dt.datetime(2031, month, 1, tzinfo=dt.UTC) for month in (3, 4, 5, 6)]
    records = [new_record(prediction_id=first_id(moment), text=f"{moment:%B}") for moment in moments]
    await store(*records, *(said(record, 5) for record in records))
    await export(engine, tmp_path / "a.csv", moments[1], moments[3])
    assert [row[1] for row in rows_in(tmp_path / "a.csv")] == ["April", "May"]


async def test_a_label_counts_where_it_stands_for_one_rating(
    engine: AsyncEngine, store: StoreShop, new_record: NewRecord, tmp_path: Path
) -> None:
    """A label that several ratings have, or none, is left out and counted; the others get their rating."""
    three_way = {"1": "negative", "2": "negative", "3": "neutral", "4": "positive", "5": "positive"}
    assert unambiguous(three_way) == {"neutral": 3}
    assert unambiguous({"1": "negative", "3": None, "2": None}) == {"negative": 1}
    records = [new_record(text=label) for label in ("neutral", "positive", "unknown")]
    await store(*records, *(said(record, label=record.text) for record in records))
    exported = await export(engine, tmp_path / "a.csv", ratings=unambiguous(three_way))
    assert (exported.written, exported.without_rating) == (1, 2)
    assert rows_in(tmp_path / "a.csv")[0][1:3] == ("neutral", 3)


@pytest.mark.parametrize("ending", ["parquet", "json", "gz", "csv.gz"])
async def test_another_ending_is_refused(engine: AsyncEngine, tmp_path: Path, ending: str) -> None:
    """The endings that are known are told."""
    path = tmp_path / f"a.{ending}"
    with pytest.raises(ExportRefused, match=r"expected a file ending in \.csv, \.jsonl, \.jsonl\.gz, found"):
        await export(engine, path)


async def test_without_texts_nothing_is_exported(
    engine: AsyncEngine, store: StoreShop, new_record: NewRecord, tmp_path: Path
) -> None:
    """When the policy kept no text the command says so and leaves no file, also not the one it began."""
    with pytest.raises(ExportRefused, match="no prediction in this time has feedback"):
        await export(engine, tmp_path / "a.csv")
    record = new_record(text=None)
    await store(record, said(record, 5))
    with pytest.raises(ExportRefused, match="no text is kept of the 1 predictions with feedback; training needs SENTI"):
        await export(engine, tmp_path / "a.csv")
    other = new_record()
    await store(other, said(other, label="positive"))
    with pytest.raises(ExportRefused, match="no text is kept of the 1 predictions"):
        await export(engine, tmp_path / "a.csv", ratings={})
    assert names_in(tmp_path) == ["spool"]


async def test_a_file_that_is_there_is_kept(
    engine: AsyncEngine, store: StoreShop, new_record: NewRecord, tmp_path: Path
) -> None:
    """Without --force an existing file is refused; with it a refusal for another reason still leaves the old one."""
    path = tmp_path / "a.csv"
    path.write_text("mine")
    with pytest.raises(ExportRefused, match=r"a\.csv exists; give another name, or --force to replace it"):
        await export(engine, path)
    with pytest.raises(ExportRefused, match="no prediction"):
        await export(engine, path, force=True)
    assert path.read_text() == "mine"
    record = new_record()
    await store(record, said(record, 5))
    assert (await export(engine, path, force=True)).written == 1
    assert path.read_text().startswith("text,rating,product_id,timestamp,prediction_id")


async def test_a_folder_that_is_not_there_is_told(engine: AsyncEngine, tmp_path: Path) -> None:
    """The file is named, and it is not blamed on Postgres."""
    with pytest.raises(ExportRefused, match=r"cannot write .*a\.csv: No such file or directory"):
        await export(engine, tmp_path / "none" / "a.csv")


def test_a_time_without_offset_is_refused(tmp_path: Path) -> None:
    """The option's form is told, with exit code 2."""
    settings = DatabaseSettings(database=None, database_url=SecretStr("postgresql://me@127.0.0.1:1/x"))
    finished = run(settings, tmp_path / "a.csv", "--from", "2026-11-01")
    assert finished.returncode == 2
    assert "expected a time with an offset such as" in finished.stderr
