"""Whatever is done to the processes, what a client was told is stored once: the short run of `make chaos`."""

import json
import random
import uuid
from pathlib import Path

import pytest

from benchmarks.harm import spool_files
from benchmarks.harm.chaos import report
from benchmarks.harm.chaos.cases import CASES
from benchmarks.harm.ledger import Count, Outcome
from benchmarks.harm.stage import QUICK, play
from benchmarks.payload import new_record
from benchmarks.postgres import Postgres
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.segments import read_segment

pytestmark = pytest.mark.slow

SEED = 20_261
REPRESENTATIVE = ["service-killed", "postgres-killed", "two-services", "drained"]


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_what_was_acknowledged_is_stored_once(victim: Postgres, name: str) -> None:
    """After harm at random moments every acknowledged prediction and feedback is a row, and none is two."""
    outcome = play(name, CASES[name], victim, SEED, QUICK)
    assert outcome.passed, outcome.line()
    assert outcome.predictions.acknowledged > 0, outcome.line()


def test_losses_and_doubles_are_seen() -> None:
    """The comparison tells what is missing, what the harm touched, what is twice there and what nobody was told."""
    told, lost, harmed, other = (uuid.uuid4() for _ in range(4))
    count = Count.of([told, lost, harmed], [told, told, other], [harmed])
    assert (count.missing, count.touched, count.doubled, count.unacknowledged) == (1, 1, 1, 1)


def test_a_case_played_again_leaves_the_rows_of_others(tmp_path: Path) -> None:
    """The results hold the last outcomes of each case, whichever were played together."""
    nothing = Count.of([], [])
    for case, seeds in (("first", [1, 2]), ("second", [3]), ("first", [4])):
        outcomes = [Outcome(case, seed, 1, 3.0, 0.5, nothing, nothing, {"503": 2}, ["late"]) for seed in seeds]
        report.write(tmp_path, outcomes, {})
    written = json.loads((tmp_path / "chaos.json").read_text())["outcomes"]
    assert [(each["case"], each["seed"]) for each in written] == [("second", 3), ("first", 4)]
    assert "| first | 1 | 1 | 3 | 0 |" in (tmp_path / "chaos.md").read_text()


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_told_to_the_byte(tmp_path: Path, seed: int) -> None:
    """The records that the harness says it has not touched are those that the spool still reads."""
    chosen = random.Random(seed)  # noqa: S311 - no secret
    payloads = [encode(new_record(chosen)) for _ in range(20)]
    segment = tmp_path / "1.seg"
    segment.write_bytes(b"".join(map(spool_files.framed, payloads)))
    whole = spool_files.frames(segment.read_bytes())
    touched = spool_files.damage(segment, chosen)
    found = read_segment(segment)
    assert found.payloads == [
        payload for payload, frame in zip(payloads, whole, strict=True) if frame not in touched.frames
    ]
    assert found.damaged_bytes == touched.damaged_bytes
