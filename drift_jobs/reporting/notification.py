"""Tells a webhook of new alarms: one POST of JSON for each, without any text of a review."""

from typing import Final

import httpx
import msgspec
from msgspec.structs import replace
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter
from tenacity.wait import wait_base

from drift_jobs.runs import DriftRun, Level, MetricRow
from sentiment_api.database.drift_segments import shown_segment

ATTEMPTS: Final = 5
BACK_OFF: Final = wait_exponential_jitter(initial=1, max=8)
"""About 1, 2, 4 and 8 s: long enough for a receiver that is started again, too short to hold up a night."""
_TIMEOUT_S: Final = 10.0
_GRAVITY: Final[dict[Level, int]] = {"not_judged": 0, "none": 1, "watch": 2, "drift": 3}


class ChangedMetric(msgspec.Struct, frozen=True):
    """One metric that is in watch or drift."""

    metric: str
    segment: str
    direction: str
    value: float | None
    reference_value: float | None
    effect: float | None
    floor: float | None
    verdict: Level


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted about a run."""

    run_id: str
    revision: int
    verdict: Level
    reason: str
    window_start: str
    window_end: str
    model_name: str
    model_version: str
    reference: str
    changed: list[ChangedMetric]


class NotificationFailed(Exception):
    """The receiver did not take a notice. The message leaves out its address, which often holds a key."""


def is_graver(verdict: Level, other: Level | None) -> bool:
    """Return whether `verdict` says more than `other`; anything says more than nothing."""
    return other is None or _GRAVITY[verdict] > _GRAVITY[other]


def is_at_least(verdict: Level, least: Level) -> bool:
    """Return whether `verdict` is `least` or graver."""
    return _GRAVITY[verdict] >= _GRAVITY[least]


def is_to_be_told(verdict: Level, *, least: Level | None, before: Level | None, owed: Level | None) -> bool:
    """Return whether a run is to be posted: it is `least` or graver, and graver than what was told of its window.

    `before` is the verdict of the revision before; `owed` is the same when nobody has taken its notice yet. Without
    `least` nobody is told, but what is owed stays so as long as it holds.
    """
    needed = least or owed
    told = None if owed else before
    return needed is not None and is_at_least(verdict, needed) and is_graver(verdict, told)


def notice(run: DriftRun) -> Notice:
    """Return what is posted about a run."""
    return Notice(
        run_id=str(run.run_id),
        revision=run.revision,
        verdict=run.verdict,
        reason=run.reason,
        window_start=run.window_start.isoformat(),
        window_end=run.window_end.isoformat(),
        model_name=run.model_name,
        model_version=run.model_version,
        reference=run.reference,
        changed=[_changed(row) for row in run.metrics if row.verdict in ("watch", "drift")],
    )


def _changed(row: MetricRow) -> ChangedMetric:
    """Return what is posted about a metric: chats show a segment as it comes."""
    shown = replace(row, segment=shown_segment(row.segment))
    return msgspec.convert(shown, ChangedMetric, from_attributes=True)


async def notify(run: DriftRun, url: str, *, attempts: int = ATTEMPTS, wait: wait_base = BACK_OFF) -> None:
    """Post a run to `url`, again after a while when it fails, `attempts` times at most.

    Raises:
        NotificationFailed: the receiver did not take it.
    """
    content = msgspec.json.encode(notice(run))
    retrying = AsyncRetrying(
        stop=stop_after_attempt(attempts), wait=wait, retry=retry_if_exception(_may_pass), reraise=True
    )
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            await retrying(_post, client, url, content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotificationFailed(f"the notice of run {run.run_id} was not taken: {_found(error)}") from error


async def _post(client: httpx.AsyncClient, url: str, content: bytes) -> None:
    (await client.post(url, content=content, headers={"Content-Type": "application/json"})).raise_for_status()


def _may_pass(error: BaseException) -> bool:
    """Return whether trying again can help: not when the receiver says that the request is wrong."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.TOO_MANY_REQUESTS or error.response.is_server_error
    return isinstance(error, httpx.TransportError)


def _found(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__
