"""What the service says of the golden texts, against what was recorded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from drift_jobs.nights.golden import GoldenReply, check_golden, compare_answers, prevailing, with_golden
from drift_jobs.runs import MetricRow, RunVerdict
from sentiment_api.model.bundle import Bundle, GoldenText, open_bundle
from tests.protocols import Receive

LABELS = ["negative", "positive"]
RECORDED = {"This lamp hums": [0.9, 0.1], "Fits like a glove": [0.2, 0.8]}


@pytest.fixture
def golden_bundle(bundle: Bundle) -> Bundle:
    """A bundle with two golden texts, recorded on the engine `cpu`."""
    golden = [GoldenText(text, {"cpu": probabilities}) for text, probabilities in RECORDED.items()]
    return replace(bundle, manifest=replace(bundle.manifest, golden=golden))


def _service(bundle: Bundle, moved_by: float = 0.0, **model: str) -> Callable[[Any], tuple[int, object]]:
    """Return how a service answers whose positive probabilities are off by `moved_by`."""

    def answer(request: Any) -> tuple[int, object]:
        if request.path == "/model":
            return 200, {"name": "shop", "version": bundle.manifest.version, "engine": "cpu", "labels": LABELS} | model
        positive = RECORDED[json.loads(request.body)["text"]][1] + moved_by
        label = LABELS[positive > 0.5]
        return 200, {"label": label, "score": 0.5, "probabilities": {"negative": 1 - positive, "positive": positive}}

    return answer


@pytest.mark.anyio
async def test_answers_as_recorded_are_quiet(receive: Receive, golden_bundle: Bundle) -> None:
    """Differences within the tolerance are none; each text is sent once, and as a try of our own."""
    server = receive(_service(golden_bundle, moved_by=0.02))
    row = await check_golden(golden_bundle, server.url)
    assert (row.verdict, row.value, row.effect, row.reference_value, row.threshold, row.n) == (
        "none", 0.02, 0.02, 0.0, 0.03, 2,
    )  # fmt: skip
    sent = [request for request in server.requests if request.path == "/predict"]
    assert [json.loads(request.body) for request in sent] == [{"text": text} for text in RECORDED]
    assert {request.headers["X-Sentiment-Source"] for request in sent} == {"golden"}


@pytest.mark.anyio
async def test_the_service_key_is_sent_where_there_is_one(receive: Receive, golden_bundle: Bundle) -> None:
    """Each request has it as a bearer's; without one nothing is sent."""
    server = receive(_service(golden_bundle))
    await check_golden(golden_bundle, server.url, SecretStr("sentiment_0_1"))
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer sentiment_0_1"}
    other = receive(_service(golden_bundle))
    await check_golden(golden_bundle, other.url)
    assert {request.headers["Authorization"] for request in other.requests} == {None}


@pytest.mark.anyio
@pytest.mark.parametrize("proxy", ["socks://user:hush@127.0.0.1:1080/", "socks5://user:hush@127.0.0.1:1080"])
async def test_a_proxy_of_the_environment_is_said(
    receive: Receive, golden_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """A service on this machine is asked directly; of another one the row says what is wrong, and nothing breaks."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    row = await check_golden(golden_bundle, receive(_service(golden_bundle)).url)
    assert (row.verdict, row.n) == ("none", 2)
    row = await check_golden(golden_bundle, "http://service.example:8000")
    assert row.verdict == "not_judged"
    assert "ALL_PROXY" in row.note
    assert "hush" not in row.note


@pytest.mark.anyio
async def test_an_address_that_is_none_is_said(golden_bundle: Bundle) -> None:
    """What the settings let pass and no request can be sent to is no defect."""
    row = await check_golden(golden_bundle, "http://service.example:port")
    assert (row.verdict, row.note.partition(",")[0]) == (
        "not_judged",
        "expected --service-url to be an address such as http://127.0.0.1:8000",
    )


@pytest.mark.anyio
async def test_moved_answers_are_drift(receive: Receive, golden_bundle: Bundle) -> None:
    """More than the tolerance is drift, and the note says where to look; it quotes no text."""
    row = await check_golden(golden_bundle, receive(_service(golden_bundle, moved_by=0.05)).url)
    assert (row.family, row.verdict, row.value) == ("model", "drift", pytest.approx(0.05))
    assert row.note == (
        "2 golden texts moved by up to 0.050, 0 to another label: it is the model or the runtime, not the data"
    )


def test_another_label_is_drift_however_small_the_difference() -> None:
    """A text that changes sides is drift within the tolerance, too."""
    answer = GoldenReply("positive", {"negative": 0.495, "positive": 0.505})
    row = compare_answers(LABELS, [[0.505, 0.495]], [answer])
    assert (row.verdict, row.value) == ("drift", pytest.approx(0.01))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("model", "note"),
    [
        ({"version": "0123456789ab"}, "found 0123456789ab; give its --model"),
        ({"engine": "torch"}, "answers of the engine torch, found 0 of 2"),
    ],
)
async def test_another_model_is_not_judged(
    receive: Receive, golden_bundle: Bundle, model: dict[str, Any], note: str
) -> None:
    """What was not recorded cannot be compared; the note says what serves instead."""
    row = await check_golden(golden_bundle, receive(_service(golden_bundle, **model)).url)
    assert (row.verdict, row.n) == ("not_judged", 0)
    assert note in row.note


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [(503, {}), (200, {}), (200, [])])
async def test_what_is_no_answer_is_not_judged(
    receive: Receive, golden_bundle: Bundle, answer: tuple[int, object]
) -> None:
    """A service that fails, or another server at its address, never stops the night."""
    row = await check_golden(golden_bundle, receive(lambda _: answer).url)
    assert row.verdict == "not_judged"
    assert row.note.startswith("expected an answer from GET /model of the service, found ")


@pytest.mark.anyio
async def test_a_service_that_is_away_is_not_judged(golden_bundle: Bundle, closed_port: int) -> None:
    """The note names the failure and the remedy."""
    row = await check_golden(golden_bundle, f"http://127.0.0.1:{closed_port}")
    assert (row.verdict, "ConnectError" in row.note, "--service-url" in row.note) == ("not_judged", True, True)


def test_only_golden_texts_that_moved_change_the_verdict() -> None:
    """The row is part of the run in any case."""
    data = RunVerdict(verdict="none", reason="all quiet", n_current=9, n_reference=9)
    quiet = compare_answers(LABELS, [[0.9, 0.1]], [GoldenReply("negative", {"negative": 0.9, "positive": 0.1})])
    moved = compare_answers(LABELS, [[0.9, 0.1]], [GoldenReply("negative", {"negative": 0.6, "positive": 0.4})])
    assert (with_golden(data, quiet).verdict, with_golden(data, quiet).metrics) == ("none", (quiet,))
    assert with_golden(data, moved).verdict == "drift"
    assert with_golden(data, moved).reason == f"{moved.note}; of the data: all quiet"


def test_a_service_that_is_away_erases_nothing() -> None:
    """Tonight's row holds when the service answered; else the one that is on record; else tonight's, which says why."""
    away = MetricRow(metric="golden", family="model", n=0, note="away")
    quiet = replace(away, verdict="none", n=12)
    before = RunVerdict(verdict="none", reason="all quiet", n_current=9, n_reference=9)
    drifted = with_golden(before, replace(quiet, verdict="drift"))
    assert prevailing(quiet, drifted) == quiet
    assert prevailing(away, drifted) == prevailing(None, drifted) == replace(quiet, verdict="drift")
    assert prevailing(away, before) == prevailing(away, None) == away
    assert prevailing(None, before) is None


@pytest.mark.anyio
async def test_the_service_answers_as_at_export(service: Any) -> None:
    """The real service with the starter gives the answers that its bundle records."""
    row = await check_golden(open_bundle(Path("models/starter")), service.url)
    assert (row.verdict, row.n) == ("none", 12)
