"""A prediction is found wherever it is: in the spool, in Postgres, or on its way from one to the other."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.database.connection import connected
from sentiment_api.errors import DatabaseAway, PredictionUnknown
from sentiment_api.model.bundle import Bundle
from sentiment_api.prediction_log.look_ups.spool_look_ups import SpoolLookUps
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction, SpoolReader
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas.predictions import FeedbackRequest
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.use_cases.feedback import TakeFeedback
from sentiment_api.use_cases.look_up import LookUpPrediction
from sentiment_api.use_cases.look_up_turns import LookUpTurns
from sentiment_api.use_cases.pending import PendingWindow
from tests.protocols import NewRecord, SettingsWithoutPostgres, TakesFeedback

pytestmark = pytest.mark.anyio

DAY = PendingWindow(dt.timedelta(hours=24))
TWO_DAYS_MS = 48 * 3_600_000


class MeddledLookUps(SpoolLookUps):
    """Look-ups with something that happens right before the spool is looked at, as nothing keeps it from doing."""

    def __init__(self, spool: Spool, executor: Executor) -> None:
        """Nothing happens yet."""
        super().__init__(SpoolReader(spool), executor)
        self.meddle: Callable[[], Awaitable[object]] | None = None

    async def find(self, prediction_id: uuid.UUID) -> SpooledPrediction:
        """Return what the spool holds after that."""
        if self.meddle is not None:
            await self.meddle()
        return await super().find(prediction_id)


@pytest.fixture
def look_ups(spool: Spool) -> Iterator[MeddledLookUps]:
    """Look-ups in the spool."""
    with ThreadPoolExecutor(1) as executor:
        yield MeddledLookUps(spool, executor)


@pytest.fixture
async def away(without_postgres: SettingsWithoutPostgres) -> AsyncIterator[AsyncEngine]:
    """An engine whose Postgres is away."""
    async with connected(without_postgres()) as engine:
        yield engine


@pytest.fixture
def take_feedback(bundle: Bundle, spool: Spool, look_ups: MeddledLookUps) -> Iterator[TakesFeedback]:
    """A function that takes feedback for a prediction and gives its state."""
    with ThreadPoolExecutor(1) as executor:

        async def take(engine: AsyncEngine, prediction_id: uuid.UUID) -> str:
            use_case = TakeFeedback(bundle.manifest, spool, engine, executor, Metrics(), LookUpTurns(15), look_ups, DAY)
            return (await use_case.take(FeedbackRequest(prediction_id=prediction_id, rating=1), "request-1")).state

        yield take


def old_id() -> uuid.UUID:
    """Return the id of a prediction that was given two days ago."""
    return uuid.UUID(int=uuid7().int - (TWO_DAYS_MS << 80))


def spooled(spool: Spool, *records: PredictionRecord | FeedbackRecord) -> None:
    """Append the records."""
    for record in records:
        spool.append(encode(record))


def rating_of(prediction_id: uuid.UUID, rating: int) -> FeedbackRecord:
    """Return feedback for a prediction."""
    return FeedbackRecord(
        feedback_id=uuid7(), prediction_id=prediction_id, rating=rating, label=None, request_id="request-1"
    )


@pytest.mark.parametrize("new_id", [uuid7, old_id])
async def test_a_spooled_prediction_is_found_without_postgres(
    away: AsyncEngine, spool: Spool, look_ups: SpoolLookUps, new_record: NewRecord, new_id: Callable[[], uuid.UUID]
) -> None:
    """However old it is, with the feedback that waits beside it; of ids that are not there nobody can tell."""
    record = new_record(prediction_id=new_id())
    spooled(spool, record, rating_of(record.prediction_id, 4), rating_of(record.prediction_id, 2))
    use_case = LookUpPrediction(away, LookUpTurns(15), look_ups, DAY)
    found = await use_case.find(record.prediction_id)
    assert (found.state, found.text, found.metadata) == ("spooled", record.text, record.metadata)
    assert found.feedback is not None
    assert found.feedback.rating == 2
    with pytest.raises(DatabaseAway):
        await use_case.find(new_id())


@pytest.mark.parametrize("new_id", [uuid7, old_id])
async def test_a_prediction_on_its_way_is_never_missed(
    engine: AsyncEngine, spool: Spool, look_ups: MeddledLookUps, new_record: NewRecord, new_id: Callable[[], uuid.UUID]
) -> None:
    """One that is shipped after Postgres was asked for it, and before the spool is looked at, is found in Postgres."""
    record = new_record(prediction_id=new_id())
    spooled(spool, record, rating_of(record.prediction_id, 2))
    look_ups.meddle = Shipper(spool, engine, Metrics()).ship
    found = await LookUpPrediction(engine, LookUpTurns(15), look_ups, DAY).find(record.prediction_id)
    assert spool.size_bytes == 0
    assert (found.state, found.text) == ("stored", record.text)
    assert found.feedback is not None
    assert found.feedback.rating == 2


@pytest.mark.parametrize("new_id", [uuid7, old_id])
async def test_feedback_that_waits_is_newer_than_what_is_stored(
    engine: AsyncEngine, spool: Spool, look_ups: MeddledLookUps, new_record: NewRecord, new_id: Callable[[], uuid.UUID]
) -> None:
    """A stored prediction has the feedback that is spooled; it has it still when that is shipped meanwhile."""
    record, shipper = new_record(prediction_id=new_id()), Shipper(spool, engine, Metrics())
    spooled(spool, record, rating_of(record.prediction_id, 4))
    assert await shipper.ship()
    spooled(spool, rating_of(record.prediction_id, 1))
    use_case = LookUpPrediction(engine, LookUpTurns(15), look_ups, DAY)
    waits = await use_case.find(record.prediction_id)
    look_ups.meddle = shipper.ship
    shipped = await use_case.find(record.prediction_id)
    assert [each.feedback and each.feedback.rating for each in (waits, shipped)] == [1, 1]
    assert (waits.state, shipped.state, spool.size_bytes) == ("stored", "stored", 0)


@pytest.mark.parametrize("new_id", [uuid7, old_id, uuid.uuid4])
async def test_an_id_that_nobody_has_is_unknown(
    engine: AsyncEngine, look_ups: SpoolLookUps, new_id: Callable[[], uuid.UUID]
) -> None:
    """Postgres and the spool both say so."""
    with pytest.raises(PredictionUnknown):
        await LookUpPrediction(engine, LookUpTurns(15), look_ups, DAY).find(new_id())


async def test_feedback_is_taken_for_an_old_prediction_that_is_spooled(
    engine: AsyncEngine, spool: Spool, look_ups: MeddledLookUps, new_record: NewRecord, take_feedback: TakesFeedback
) -> None:
    """It is pending until the prediction is stored, also when that happens meanwhile."""
    first, second = new_record(prediction_id=old_id()), new_record(prediction_id=old_id())
    spooled(spool, first, second)
    assert await take_feedback(engine, first.prediction_id) == "pending"
    look_ups.meddle = Shipper(spool, engine, Metrics()).ship
    assert await take_feedback(engine, second.prediction_id) == "stored"
    assert (
        await LookUpPrediction(engine, LookUpTurns(15), look_ups, DAY).find(second.prediction_id)
    ).feedback is not None


async def test_feedback_for_an_old_id_that_nobody_has_leaves_nothing(
    engine: AsyncEngine, spool: Spool, take_feedback: TakesFeedback
) -> None:
    """Neither the spool nor Postgres has it, and it is too old to be on its way from another replica."""
    with pytest.raises(PredictionUnknown):
        await take_feedback(engine, old_id())
    assert spool.size_bytes == 0
    assert await take_feedback(engine, uuid7()) == "pending"


async def test_feedback_without_postgres_looks_nothing_up(
    away: AsyncEngine, look_ups: MeddledLookUps, take_feedback: TakesFeedback
) -> None:
    """Whatever the id, it is kept as pending: nobody can tell whether it is there."""

    async def fail() -> None:
        raise AssertionError("the spool is looked at")

    look_ups.meddle = fail
    assert [await take_feedback(away, each) for each in (uuid7(), old_id())] == ["pending", "pending"]
