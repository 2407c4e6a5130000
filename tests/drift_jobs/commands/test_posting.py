"""Which alarms the commands post, and how often."""

import datetime as dt
import re

import msgspec
import pytest

from tests.protocols import ExitCode, Log, MakeRecords, Receive

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
RUN = ("run", "--start", "2026-11-21", "--end", "2026-11-22", "--reference", "bundle")
NIGHT = ("nightly", "--date", "2026-11-21", "--reference", "bundle")

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment", "calibrated", "undrawn")]


async def test_a_new_alarm_is_posted_once(
    log: Log, make_records: MakeRecords, receive: Receive, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drift is posted when it is new; judged again it is not, nor is a quiet window."""
    await log(make_records(300, seed=2, mood=1.5), START)
    await log(make_records(300, seed=2), START - dt.timedelta(days=1))
    server = receive(lambda _: (204, None))
    for _ in range(2):
        assert await exit_code(*RUN, "--notify-url", server.url) == 1
    quiet = ("run", "--start", "2026-11-20", "--end", "2026-11-21", "--reference", "bundle")
    assert await exit_code(*quiet, "--notify-url", server.url) == 0
    (request,) = server.requests
    assert msgspec.json.decode(request.body)["verdict"] == "drift"


async def test_a_notice_that_is_not_taken_changes_nothing(
    log: Log, make_records: MakeRecords, receive: Receive, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is one line on stderr; verdict and exit code stay what they are."""
    await log(make_records(300, seed=2, mood=1.5), START)
    assert await exit_code(*RUN, "--notify-url", receive(lambda _: (403, None)).url) == 1
    assert re.search(
        r"^the notice of run \S+ was not taken: status 403; each run tries it again for 7 days$",
        capsys.readouterr().err,
        re.MULTILINE,
    )


async def test_a_receiver_that_was_away_is_told_the_next_night(
    log: Log,
    make_records: MakeRecords,
    receive: Receive,
    exit_code: ExitCode,
    closed_port: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An alarm that was not taken is posted by the first run that finds a receiver, which says so, and never again."""
    await log(make_records(300, seed=2, mood=1.5), START)
    await log(make_records(300, seed=2), START + dt.timedelta(days=1))
    assert await exit_code(*NIGHT, "--notify-url", receive(lambda _: (403, None)).url) == 1
    next_night = ("nightly", "--date", "2026-11-22", "--reference", "bundle", "--notify-url")
    capsys.readouterr()
    assert await exit_code(*next_night, f"http://127.0.0.1:{closed_port}") == 0
    assert "was not taken: ConnectError; each run tries it again for 7 days" in capsys.readouterr().err
    server = receive(lambda _: (204, None))
    for said in (["posted late", "no drift"], ["no drift"]):
        assert await exit_code(*next_night, server.url) == 0
        assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == said
    (request,) = server.requests
    assert msgspec.json.decode(request.body)["window_end"] == "2026-11-22T00:00:00+00:00"


@pytest.mark.parametrize(
    ("proxies", "said"),
    [
        ({"all_proxy": "socks://user:hush@127.0.0.1:1080/"}, "was not sent: expected all_proxy to be the address of a"),
        ({"ALL_PROXY": "socks5://user:hush@127.0.0.1:1080"}, "was not sent: ALL_PROXY names a SOCKS proxy, whose libr"),
        ({"HTTP_PROXY": "http://user:hush@[::1"}, "was not sent: expected HTTP_PROXY to be the address of a proxy su"),
        ({"http_proxy": "{proxy}", "NO_PROXY": "hush/99"}, "entry 1 of NO_PROXY is ignored: expected a host such as"),
    ],
)
async def test_the_verdict_does_not_depend_on_proxies(
    log: Log,
    make_records: MakeRecords,
    receive: Receive,
    exit_code: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    proxies: dict[str, str],
    said: str,
) -> None:
    """What is wrong with one is a line without its password; the notice is posted once, by this run or the next."""
    await log(make_records(300, seed=2, mood=1.5), START)
    proxy = receive(lambda _: (204, None))
    for name, value in proxies.items():
        monkeypatch.setenv(name, value.format(proxy=proxy.url))
    assert await exit_code(*NIGHT, "--notify-url", "http://hooks.example/hush") == 1
    err = capsys.readouterr().err
    assert said in err
    assert "hush" not in err
    assert "Traceback" not in err
    for name in proxies:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert await exit_code(*NIGHT, "--notify-url", "http://hooks.example/hush") == 1
    assert [request.path for request in proxy.requests] == ["http://hooks.example/hush"]


async def test_backfill_tells_nobody(
    log: Log, make_records: MakeRecords, receive: Receive, exit_code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days of the past are no alarms: neither does it post them, nor does a later run."""
    await log(make_records(300, seed=2, mood=1.5), START)
    server = receive(lambda _: (204, None))
    monkeypatch.setenv("SENTIMENT_NOTIFY_URL", server.url)
    assert await exit_code("backfill", "--from", "2026-11-21", "--to", "2026-11-21", "--reference", "bundle") == 1
    assert await exit_code(*NIGHT) == 1
    assert server.requests == []
