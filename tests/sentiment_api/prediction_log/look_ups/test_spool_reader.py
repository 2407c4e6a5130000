"""What the spool holds of a prediction is found, whatever becomes of its segments meanwhile."""

import base64
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from uuid_utils.compat import uuid7

from sentiment_api.errors import FilesFailed
from sentiment_api.prediction_log.look_ups import spool_reader
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction, SpoolReader
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, encode
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.spool import Spool, SpoolContents
from sentiment_api.prediction_log.spool_folders import begun_ms
from sentiment_api.prediction_log.takeover import adopt, claim_spool
from tests.protocols import NewRecord

BOUND = 64 << 20
LARGE = "good " * 200_000
"""A text of 1 MB, so that few records fill a spool."""
RELEASED = Path(__file__).parents[1] / "released"


class MeddledSpool:
    """A spool to which something is done right after the reader has asked what it consists of, each thing once."""

    def __init__(self, spool: Spool, *meddling: Callable[[], object]) -> None:
        """Pass on what the spool says."""
        self._spool = spool
        self._meddling = list(meddling)

    def contents(self) -> SpoolContents:
        """Return what the spool consisted of a moment ago."""
        found = self._spool.contents()
        if self._meddling:
            self._meddling.pop(0)()
        return found


def rating_of(prediction_id: uuid.UUID, rating: int) -> FeedbackRecord:
    """Return feedback for a prediction."""
    return FeedbackRecord(
        feedback_id=uuid7(), prediction_id=prediction_id, rating=rating, label=None, request_id="request-1"
    )


def append(spool: Spool, *records: PredictionRecord | FeedbackRecord) -> None:
    """Append the records and end the segment."""
    for record in records:
        spool.append(encode(record))
    spool.seal()


def found_by(reader: SpoolReader, prediction_id: uuid.UUID) -> SpooledPrediction:
    """Return what the reader finds in the end."""
    while (found := reader.find(prediction_id)) is None:
        pass
    return found


def test_a_prediction_is_found_with_its_last_feedback(spool: Spool, new_record: NewRecord) -> None:
    """From sealed segments and from the one being written, again and again as it grows."""
    record, reader = new_record(), SpoolReader(spool)
    assert found_by(reader, record.prediction_id) == (None, None)
    spool.append(encode(new_record()))
    spool.append(encode(record))
    assert found_by(reader, record.prediction_id) == (record, None)
    for rating in (4, 2):
        feedback = rating_of(record.prediction_id, rating)
        spool.append(encode(feedback))
        assert found_by(reader, record.prediction_id) == (record, feedback)
    spool.seal()
    assert found_by(reader, record.prediction_id) == (record, feedback)
    last = rating_of(record.prediction_id, 1)
    append(spool, last, rating_of(uuid7(), 5))
    assert found_by(reader, record.prediction_id) == (record, last)


def test_feedback_is_found_without_its_prediction(spool: Spool) -> None:
    """It may wait here when Postgres has the prediction already."""
    feedback = rating_of(uuid7(), 3)
    append(spool, feedback)
    assert found_by(SpoolReader(spool), feedback.prediction_id) == (None, feedback)


def test_what_was_left_and_what_is_taken_over_is_found(tmp_path: Path, new_record: NewRecord) -> None:
    """By the process before in the own folder, by neighbours in theirs; the last feedback is the one written last."""
    record = new_record()
    for number in (1, 2):
        neighbour = claim_spool(tmp_path, BOUND)
        append(neighbour, record if number == 1 else rating_of(record.prediction_id, number))
        neighbour.close()
    living = claim_spool(tmp_path, BOUND)
    dead = claim_spool(tmp_path, BOUND)
    reader = SpoolReader(living)
    first = found_by(reader, record.prediction_id)
    assert first.prediction == record
    assert first.feedback is not None
    assert first.feedback.rating == 2
    append(dead, rating_of(record.prediction_id, 3))
    (segment,) = dead.segments()
    segment.rename(segment.with_stem(f"{begun_ms(segment) - 1:015d}"))  # or both may have been begun at once
    append(living, rating_of(record.prediction_id, 4))
    dead.close()
    adopt(living)
    assert living.adopted_files == 1
    assert cast("FeedbackRecord", found_by(reader, record.prediction_id).feedback).rating == 4
    living.close()


@pytest.mark.parametrize("release", sorted(path.stem for path in RELEASED.glob("*.spool")))
def test_records_of_every_release_are_found(tmp_path: Path, release: str) -> None:
    """What their own code spooled is found by the ids in it."""
    (tmp_path / "0").mkdir()
    content = base64.b64decode((RELEASED / f"{release}.spool").read_text())
    (tmp_path / "0" / "000001761955200000.seg").write_bytes(content)
    spool = claim_spool(tmp_path, BOUND)
    filled = found_by(SpoolReader(spool), uuid.UUID("019a3cb6-bbff-7000-8000-000000000001"))
    assert filled.prediction is not None
    assert filled.prediction.product_id == "mug-7 / é"
    assert filled.feedback is not None
    assert filled.feedback.rating == 2
    spool.close()


def test_shipped_and_erased_records_are_found_no_more(spool: Spool, new_record: NewRecord) -> None:
    """What is left in a rewritten segment is, and the index keeps nothing of an empty spool."""
    shipped, erased, kept = new_record(), new_record(), new_record()
    append(spool, shipped)
    append(spool, erased, kept)
    reader = SpoolReader(spool)
    assert found_by(reader, erased.prediction_id).prediction == erased
    first, second = spool.segments()
    spool.discard(first)
    spool.rewrite(second, [encode(kept)])
    assert [found_by(reader, each.prediction_id).prediction for each in (shipped, erased, kept)] == [None, None, kept]
    spool.rewrite(second, [])
    assert found_by(reader, kept.prediction_id).prediction is None
    assert reader.index_bytes == 0


def test_a_segment_that_is_rewritten_meanwhile_is_read_again(spool: Spool, new_record: NewRecord) -> None:
    """A record that was elsewhere when its place was looked up, and was in the spool all the time, is not missed."""
    erased, kept = new_record(), new_record()
    append(spool, erased, kept)
    (segment,) = spool.segments()
    meddled = MeddledSpool(spool, lambda: None, lambda: spool.rewrite(segment, [encode(kept)]))
    reader = SpoolReader(cast("Spool", meddled))
    assert found_by(reader, kept.prediction_id).prediction == kept
    assert reader.find(kept.prediction_id) is None, "the place that it had is no more"
    assert found_by(reader, kept.prediction_id).prediction == kept


def test_a_segment_that_is_shipped_meanwhile_has_nothing(spool: Spool, new_record: NewRecord) -> None:
    """Whether it goes before it is read or after it was."""
    first, second = new_record(), new_record()
    append(spool, first)
    append(spool, second)
    segments = spool.segments()
    meddled = MeddledSpool(spool, *(lambda path=path: spool.discard(path) for path in segments))
    reader = SpoolReader(cast("Spool", meddled))
    assert found_by(reader, first.prediction_id).prediction is None
    assert found_by(reader, second.prediction_id).prediction is None


def test_damage_hides_the_records_that_it_touches(spool: Spool, new_record: NewRecord) -> None:
    """Be it done before the index is made or after it. Those behind are found; bytes that are no record do no harm."""
    before, after, sound = new_record(), new_record(), new_record()
    spool.append(b"no record")
    append(spool, before, after, sound)
    (segment,) = spool.segments()
    reader = SpoolReader(spool)
    damage(segment, before)
    assert found_by(reader, before.prediction_id).prediction is None
    assert found_by(reader, after.prediction_id).prediction == after
    damage(segment, after)
    assert found_by(reader, after.prediction_id).prediction is None
    assert found_by(reader, sound.prediction_id).prediction == sound
    assert len(read_segment(segment).payloads) == 2


def damage(segment: Path, record: PredictionRecord) -> None:
    """Change a byte in the middle of a record."""
    content = bytearray(segment.read_bytes())
    content[content.index(encode(record)) + 100] ^= 0xFF
    segment.write_bytes(content)


def test_a_segment_that_cannot_be_read_hides_no_other(tmp_path: Path, new_record: NewRecord) -> None:
    """What it may hold is not known, and is found as soon as it can be read."""
    before = claim_spool(tmp_path / "before", BOUND)
    hidden = new_record()
    append(before, hidden)
    before.seal()
    (segment,) = before.segments()
    unreadable = tmp_path / "0" / segment.name
    unreadable.mkdir(parents=True)
    spool = Spool(tmp_path / "0", (tmp_path / "lock").open("wb"), BOUND, "refuse", "never")
    reader, record = SpoolReader(spool), new_record()
    append(spool, record)
    assert found_by(reader, record.prediction_id).prediction == record
    with pytest.raises(FilesFailed):
        reader.find(hidden.prediction_id)
    unreadable.rmdir()
    segment.rename(unreadable)
    assert found_by(reader, hidden.prediction_id).prediction == hidden
    for each in (before, spool):
        each.close()


def test_what_gave_way_is_not_found(tmp_path: Path, new_record: NewRecord) -> None:
    """A full spool that drops its oldest records drops them from the index, too."""
    spool = claim_spool(tmp_path, 1 << 20, when_full="drop_oldest")
    reader, records = SpoolReader(spool), [new_record(text=LARGE[:400_000]) for _ in range(3)]
    for record in records:
        append(spool, record)
        assert found_by(reader, record.prediction_id).prediction == record
    assert [found_by(reader, each.prediction_id).prediction for each in records] == [None, *records[1:]]
    spool.close()


def test_a_call_reads_a_bounded_part_of_the_spool(tmp_path: Path, new_record: NewRecord) -> None:
    """The index of a large spool is made in several calls, so that others get their turn in between."""
    spool = claim_spool(tmp_path, BOUND)
    records = [new_record(text=LARGE) for _ in range(48)]
    for record in records:
        spool.append(encode(record))
    reader, calls = SpoolReader(spool), 1
    while reader.find(records[0].prediction_id) is None:
        calls += 1
    assert calls == spool.size_bytes // spool_reader.BYTES_AT_ONCE + 1 == 3
    assert reader.find(records[-1].prediction_id) == (records[-1], None)
    spool.close()


def test_a_young_prediction_does_not_wait_for_old_segments(tmp_path: Path, new_record: NewRecord) -> None:
    """What was written last before its id was made need not be read, however much that is."""
    spool = claim_spool(tmp_path, BOUND)
    for _ in range(48):
        spool.append(encode(new_record(text=LARGE)))
    spool.seal()
    for segment in spool.segments():
        os.utime(segment, (time.time() - 3600,) * 2)
    record, reader = new_record(), SpoolReader(spool)
    spool.append(encode(record))
    assert reader.find(record.prediction_id) == (record, None)
    assert reader.find(uuid.UUID(int=record.prediction_id.int - (7_200_000 << 80))) is None
    spool.close()


def test_an_id_with_any_time_is_looked_up(spool: Spool) -> None:
    """The service never made such ids, and nothing comes of them."""
    reader: Any = SpoolReader(spool)
    assert [reader.find(uuid.UUID(int=each)) for each in (0, 2**128 - 1)] == [(None, None)] * 2
