"""Notices of new alarms, posted to a real server."""

import datetime as dt
import json
import socket
import threading

import pytest
from msgspec.structs import replace
from tenacity import wait_none
from uuid_utils.compat import uuid7

from drift_jobs.reporting.notification import (
    ATTEMPTS,
    NotificationFailed,
    notify,
    retrying,
)
from drift_jobs.runs import DriftRun, MetricRow
from tests.protocols import Receive

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
CHANGED = MetricRow(metric="logit", family="predictions", effect=0.4, floor=0.2, direction="down", verdict="drift", n=9)
QUIET = MetricRow(metric="words", family="inputs", effect=0.0, floor=0.2, verdict="none", n=9)

pytestmark = pytest.mark.anyio


@pytest.fixture
def run() -> DriftRun:
    """A run in which one of two metrics changed."""
    return DriftRun(
        run_id=uuid7(), revision=2, window_start=START, window_end=START + dt.timedelta(days=1), reference="bundle",
        model_name="shop", model_version="0123456789ab", started_at=START, finished_at=START, verdict="drift",
        reason="1 of 2 tests found a change", n_current=9, n_reference=9, metrics=(CHANGED, QUIET),
    )  # fmt: skip


async def test_a_notice_says_what_changed(receive: Receive, run: DriftRun) -> None:
    """The JSON has the run, its verdict and window, and of its metrics those that changed."""
    server = receive(lambda _: (200, {}))
    await notify(run, f"{server.url}/hooks/1")
    (request,) = server.requests
    posted = json.loads(request.body)
    assert (request.path, request.headers["Content-Type"]) == ("/hooks/1", "application/json")
    assert (posted["run_id"], posted["verdict"], posted["revision"]) == (str(run.run_id), "drift", 2)
    assert (posted["window_start"], posted["model_version"], posted["reference"]) == (
        "2026-11-21T00:00:00+00:00", "0123456789ab", "bundle",
    )  # fmt: skip
    assert [(row["metric"], row["direction"], row["effect"]) for row in posted["changed"]] == [("logit", "down", 0.4)]


async def test_a_notice_names_a_segment_in_one_line(receive: Receive, run: DriftRun) -> None:
    """Line breaks and escape characters of a client's words are not posted."""
    server = receive(lambda _: (200, {}))
    named = replace(run, metrics=(replace(CHANGED, segment="product:mug\n\x1b[2Jseven"),))
    await notify(named, server.url)
    (row,) = json.loads(server.requests[0].body)["changed"]
    assert row["segment"] == "product:mug\ufffd\ufffd[2Jseven"


async def test_a_receiver_that_fails_twice_gets_it_at_last(receive: Receive, run: DriftRun) -> None:
    """Two answers of 503 are followed by a third attempt with the same notice, and no fourth."""
    statuses = iter([503, 503, 202])
    server = receive(lambda _: (next(statuses), {}))
    await retrying(wait=wait_none())(notify, run, server.url)
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize(("status", "attempts"), [(500, ATTEMPTS), (429, ATTEMPTS), (404, 1), (302, 1)])
async def test_what_is_not_taken_is_given_up(receive: Receive, run: DriftRun, status: int, attempts: int) -> None:
    """A receiver that stays broken is given up after a few attempts, one that refuses at once; its address is kept."""
    server = receive(lambda _: (status, {}))
    with pytest.raises(NotificationFailed, match=f"status {status}") as raised:
        await retrying(wait=wait_none())(notify, run, f"{server.url}/secret-key")
    assert len(server.requests) == attempts
    assert "secret-key" not in str(raised.value)


async def test_nobody_listens(receive: Receive, run: DriftRun, closed_port: int) -> None:
    """A receiver that is away is an error of our own, after which others need not be tried; a refusal is not."""
    with pytest.raises(NotificationFailed, match="ConnectError") as raised:
        await notify(run, f"http://127.0.0.1:{closed_port}")
    assert (raised.value.is_away, raised.value.may_pass) == (True, True)
    with pytest.raises(NotificationFailed, match="status 404") as raised:
        await notify(run, receive(lambda _: (404, {})).url)
    assert (raised.value.is_away, raised.value.may_pass) == (False, False)


async def test_a_proxy_that_is_away(run: DriftRun, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable, since the receiver may be there; trying again may help."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:hush@127.0.0.1:{closed_port}")
    with pytest.raises(NotificationFailed, match=r"ConnectError, through the proxy of HTTP_PROXY$") as raised:
        await notify(run, "http://hooks.example")
    assert (raised.value.is_away, raised.value.may_pass) == (True, True)


async def test_a_proxy_that_cannot_be_used(run: DriftRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, now or for other notices, and trying again would not help."""
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080")
    with pytest.raises(NotificationFailed, match="was not sent: expected ALL_PROXY to be") as raised:
        await notify(run, "http://hooks.example")
    assert (raised.value.is_away, raised.value.may_pass) == (True, False)


def _trickle(server: socket.socket, left: threading.Event) -> None:
    """Answer one request with a byte now and then, until the client hangs up."""
    client, _ = server.accept()
    with client:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(2_000):
            if left.wait(0.02):
                return
            try:
                client.sendall(b".")
            except OSError:
                return


async def test_a_receiver_that_trickles_is_left(run: DriftRun) -> None:
    """Each byte comes in time and the answer never ends: the attempt ends all the same."""
    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_trickle, args=(server, left))
        thread.start()
        try:
            with pytest.raises(NotificationFailed, match="TimeoutError") as raised:
                await notify(run, f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.5)
        finally:
            left.set()
            thread.join()
    assert (raised.value.is_away, raised.value.may_pass) == (True, True)
