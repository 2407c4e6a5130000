"""Tells a webhook of new alarms: one POST of JSON for each, without any text of a review."""

import asyncio
from typing import Final

import httpx
import msgspec
from msgspec.structs import replace
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter
from tenacity.wait import wait_base

from drift_jobs.errors import HttpEnvironmentInvalid
from drift_jobs.http_client import http_client, through_proxy
from drift_jobs.runs import DriftRun, Level, MetricRow, is_alarm
from sentiment_api.database.drift_results import shown_segment

ATTEMPTS: Final = 5
BACK_OFF: Final = wait_exponential_jitter(initial=1, max=8)
"""About 1, 2, 4 and 8 s: long enough for a receiver that is started again, too short to hold up a night."""
TIMEOUT_S: Final = 10.0
"""Of a whole attempt, however busily the receiver sends: some send a byte now and then for ever."""


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

    def __init__(self, message: str, *, may_pass: bool, is_away: bool) -> None:
        """`may_pass`: trying again can help. `is_away`: no answer came, and no other notice will have one."""
        super().__init__(message)
        self.may_pass = may_pass
        self.is_away = is_away


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
        changed=[_changed(row) for row in run.metrics if is_alarm(row.verdict)],
    )


def _changed(row: MetricRow) -> ChangedMetric:
    """Return what is posted about a metric: chats show a segment as it comes."""
    shown = replace(row, segment=shown_segment(row.segment))
    return msgspec.convert(shown, ChangedMetric, from_attributes=True)


def retrying(attempts: int = ATTEMPTS, wait: wait_base = BACK_OFF) -> AsyncRetrying:
    """Return what calls something that posts again after a while, where that can help, `attempts` times at most."""
    return AsyncRetrying(
        stop=stop_after_attempt(attempts), wait=wait, retry=retry_if_exception(_may_pass), reraise=True
    )


async def notify(run: DriftRun, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Post a run to `url`, once.

    Raises:
        NotificationFailed: the receiver did not take it within `timeout_s`.
    """
    content = msgspec.json.encode(notice(run))
    try:
        async with asyncio.timeout(timeout_s), http_client(url, timeout_s=timeout_s) as client:
            await _post(client, url, content)
    except HttpEnvironmentInvalid as error:  # stays as it is for a while, and is so for every receiver
        told = f"the notice of run {run.run_id} was not sent: {error}"
        raise NotificationFailed(told, may_pass=False, is_away=True) from error
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        is_silent = isinstance(error, httpx.TransportError | TimeoutError)
        may_pass = is_silent or (isinstance(error, httpx.HTTPStatusError) and _is_busy(error.response))
        told = f"the notice of run {run.run_id} was not taken: {_found(error)}{through_proxy(url)}"
        raise NotificationFailed(told, may_pass=may_pass, is_away=is_silent) from error


async def _post(client: httpx.AsyncClient, url: str, content: bytes) -> None:
    (await client.post(url, content=content, headers={"Content-Type": "application/json"})).raise_for_status()


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, NotificationFailed) and error.may_pass


def _is_busy(response: httpx.Response) -> bool:
    """Return whether the receiver may take the same request later; not when it says that the request is wrong."""
    return response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error


def _found(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__
