"""What Postgres refuses as data is kept in files that an operator can read, mend and send again."""

import json
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.tables import predictions
from sentiment_api.errors import SetAsideInvalid
from sentiment_api.prediction_log.records import PredictionRecord
from sentiment_api.prediction_log.set_aside import SetAsideRecord, find_all, mend, replay
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.spool_folders import SET_ASIDE, set_aside_files
from sentiment_api.prediction_log.takeover import adopt
from sentiment_api.telemetry.metrics import Metrics
from tests.preloaded import program
from tests.protocols import NewRecord

pytestmark = pytest.mark.slow


@pytest.fixture
def poison(spool: Spool, new_record: NewRecord) -> PredictionRecord:
    """A record that is set aside in the spool."""
    record = new_record(product_id="mug\0seven")
    SetAsideRecord("22021", record).save(spool.folder)
    return record


def all_in(spool: Spool) -> list[tuple[Path, SetAsideRecord]]:
    """Return what is set aside in the spool, each with its file."""
    return list(find_all(spool.folder.parent).records.values())


def run(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `sentiment-api set-aside`."""
    return program("sentiment_api").run(
        "set-aside", *arguments, environment={"SENTIMENT_DATA_DIR": str(data_dir), "PATH": ""}
    )


def test_a_record_comes_back_from_its_file_unchanged(spool: Spool, poison: PredictionRecord) -> None:
    """Every field survives, also one that Postgres does not take, and saving again changes nothing."""
    SetAsideRecord("22021", poison).save(spool.folder)
    ((path, found),) = all_in(spool)
    assert found == SetAsideRecord("22021", poison)
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.anyio
async def test_a_mended_record_is_shipped(engine: AsyncEngine, spool: Spool, poison: PredictionRecord) -> None:
    """Once its field is set and it is replayed it is a row, and set aside no more."""
    ((path, _),) = all_in(spool)
    mend(path, {"product_id": "mug-7"})
    assert replay(all_in(spool), spool) == [str(poison.prediction_id)]
    assert set_aside_files(spool.folder) == []
    assert await Shipper(spool, engine, Metrics()).ship()
    async with engine.connect() as connection:
        row = (await connection.execute(select(predictions))).mappings().one()
    assert (row["prediction_id"], row["product_id"], row["text"]) == (poison.prediction_id, "mug-7", poison.text)


@pytest.mark.anyio
async def test_replayed_unmended_it_is_set_aside_again(
    engine: AsyncEngine, spool: Spool, poison: PredictionRecord
) -> None:
    """Replaying too early loses nothing."""
    replay(all_in(spool), spool)
    assert await Shipper(spool, engine, Metrics()).ship()
    ((_, found),) = all_in(spool)
    assert found == SetAsideRecord("22021", poison)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "expected one of the fields"),
        ({"prediction_id": None}, "expected one of the fields"),
        ({"tokens": "many"}, r"Expected `int`, got `str` - at `\$.record.tokens`"),
    ],
)
def test_a_change_that_makes_no_record_changes_nothing(
    spool: Spool, poison: PredictionRecord, changes: dict[str, object], message: str
) -> None:
    """The error names the field and the type, and the file is as it was."""
    ((path, _),) = all_in(spool)
    before = path.read_bytes()
    with pytest.raises(SetAsideInvalid, match=message):
        mend(path, changes)
    assert path.read_bytes() == before


def test_bytes_that_are_no_record_are_kept_and_not_replayed(spool: Spool) -> None:
    """Nobody can mend them, and they are not lost."""
    SetAsideRecord("undecodable", b"\xc1no record").save(spool.folder)
    ((path, found),) = all_in(spool)
    assert (found.kind, found.record) == ("bytes", b"\xc1no record")
    assert replay([(path, found)], spool) == []
    with pytest.raises(SetAsideInvalid, match="expected a record with fields"):
        mend(path, {"text": None})
    assert path.exists()


def test_the_command_line_lists_mends_and_replays(spool: Spool, poison: PredictionRecord) -> None:
    """An operator needs no Python: no text is listed, and what is replayed lies in a spool for the next service."""
    data_dir, name = spool.folder.parent.parent, str(poison.prediction_id)
    listed = run(data_dir, "list")
    assert name in listed.stdout
    assert "22021" in listed.stdout
    assert poison.text is not None
    assert poison.text not in listed.stdout
    assert json.loads(run(data_dir, "show", name).stdout)["record"]["text"] == poison.text
    tried = run(data_dir, "mend", name, "--set", "product_id=null", "--dry-run")
    assert tried.stdout == f"would set product_id of {name}\n"
    assert all_in(spool)[0][1].record == poison
    assert run(data_dir, "mend", name, "--set", "product_id=null").returncode == 0
    assert run(data_dir, "replay", "--all", "--dry-run").stdout == f"would replay {name}\n1 records\n"
    assert run(data_dir, "replay", name).stdout == f"replayed {name}\n1 records\n"
    adopt(spool)
    assert spool.size_bytes > 0
    assert run(data_dir, "list").stdout == "Nothing is set aside.\n"


def test_a_file_that_is_no_record_holds_up_no_other(spool: Spool, poison: PredictionRecord) -> None:
    """It is named on standard error with the reason, and the others are listed and replayed."""
    spoilt = spool.folder / SET_ASIDE / "spoilt.json"
    spoilt.write_text('{"reason": "22021", "record": {"type": "prediction"}}')
    listed = run(spool.folder.parent.parent, "list")
    assert str(poison.prediction_id) in listed.stdout
    assert "spoilt.json: Object missing required field" in listed.stderr
    replayed = run(spool.folder.parent.parent, "replay", "--all")
    assert (replayed.returncode, replayed.stdout.splitlines()[-1]) == (0, "1 records")
    assert spoilt.exists()


def test_the_command_line_says_what_is_wrong(spool: Spool, poison: PredictionRecord) -> None:
    """An unknown name, and a value that is no JSON, end with one line and exit code 1."""
    data_dir = spool.folder.parent.parent
    unknown = run(data_dir, "show", "nobody")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "sentiment-api: expected a name that `sentiment-api set-aside list` prints, found nobody\n",
    )
    bad = run(data_dir, "mend", str(poison.prediction_id), "--set", "text=Broke")
    assert bad.returncode == 1
    assert "expected JSON behind =" in bad.stderr
    assert "Broke" not in bad.stderr
