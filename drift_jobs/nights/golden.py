"""The golden texts, asked of the running service: when they are answered otherwise, no customer was the cause.

The bundle holds hand-written texts with the answers that were recorded at export, for each engine. They are sent as
their own source, so they count neither as traffic nor as drift of it.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import httpx
import msgspec
from msgspec.structs import replace
from pydantic import SecretStr

from drift_jobs.errors import GoldenUnavailable, HttpEnvironmentInvalid
from drift_jobs.http_client import http_client, through_proxy
from drift_jobs.runs import MetricRow, RunVerdict
from sentiment_api.model.bundle import GOLDEN_TOLERANCE, Bundle, Manifest

METRIC: Final = "golden"
_TIMEOUT_S: Final = 10.0
_SOURCE: Final = {"X-Sentiment-Source": "golden"}
_DIGITS: Final = 4
"""Of a difference. Further ones vary with what else the processor does, and would make each night a new revision."""


class ServedModel(msgspec.Struct, frozen=True):
    """What `GET /model` says of the model that serves."""

    version: str
    engine: str


class GoldenReply(msgspec.Struct, frozen=True):
    """What `POST /predict` says of a text."""

    label: str
    probabilities: dict[str, float]


Decoded = TypeVar("Decoded", ServedModel, GoldenReply)


async def check_golden(bundle: Bundle, service_url: str, service_key: SecretStr | None = None) -> MetricRow:
    """Return how far the service's answers are from those recorded at export; a service that is away is not judged.

    `service_key` is sent where the service asks for keys.
    """
    key = {"Authorization": f"Bearer {service_key.get_secret_value()}"} if service_key else {}
    try:
        async with http_client(service_url, timeout_s=_TIMEOUT_S, base_url=service_url, headers=key) as client:
            engine = (await _served(client, bundle.manifest)).engine
            recorded = recorded_answers(bundle.manifest, engine)
            answers = [await _answer(client, golden.text) for golden in bundle.manifest.golden]
        return compare_answers(bundle.manifest.labels, recorded, answers)
    except (GoldenUnavailable, HttpEnvironmentInvalid) as error:
        note = str(error)
    except httpx.InvalidURL:
        note = "expected --service-url to be an address such as http://127.0.0.1:8000, found something else"
    return MetricRow(metric=METRIC, family="model", n=0, note=note)


def recorded_answers(manifest: Manifest, engine: str) -> list[list[float]]:
    """Return the recorded probabilities of each golden text, in the order of the labels.

    Raises:
        GoldenUnavailable: there are no golden texts, or some were not recorded for this engine.
    """
    found = [golden.probabilities[engine] for golden in manifest.golden if engine in golden.probabilities]
    if not found or len(found) < len(manifest.golden):
        raise GoldenUnavailable(
            f"expected golden texts with answers of the engine {engine}, found {len(found)} of {len(manifest.golden)}; "
            "export the model again with sentiment-train"
        )
    return found


def compare_answers(
    labels: Sequence[str], recorded: Sequence[Sequence[float]], answers: Sequence[GoldenReply]
) -> MetricRow:
    """Return the largest difference of a probability; more than the tolerance, or another label, is drift.

    Raises:
        GoldenUnavailable: the answers are about other labels.
    """
    if any(set(answer.probabilities) != set(labels) for answer in answers):
        raise GoldenUnavailable(f"expected the labels {', '.join(labels)} from the service, found others")
    pairs = list(zip(recorded, answers, strict=True))
    largest = round(max(_distance(labels, *pair) for pair in pairs), _DIGITS)
    changed = sum(_label(labels, expected) != answer.label for expected, answer in pairs)
    moved = largest > GOLDEN_TOLERANCE or changed > 0
    return MetricRow(
        metric=METRIC,
        family="model",
        value=largest,
        reference_value=0.0,
        effect=largest,
        threshold=GOLDEN_TOLERANCE,
        verdict="drift" if moved else "none",
        n=len(pairs),
        note=_note(largest, changed, len(pairs)) if moved else "",
    )


def _note(largest: float, changed: int, number: int) -> str:
    return (
        f"{number} golden texts moved by up to {largest:.3f}, {changed} to another label: it is the model or the "
        "runtime, not the data"
    )


def _distance(labels: Sequence[str], recorded: Sequence[float], answer: GoldenReply) -> float:
    return max(abs(answer.probabilities[name] - expected) for name, expected in zip(labels, recorded, strict=True))


def _label(labels: Sequence[str], recorded: Sequence[float]) -> str:
    return labels[max(range(len(labels)), key=recorded.__getitem__)]


def with_golden(verdict: RunVerdict, row: MetricRow) -> RunVerdict:
    """Return the verdict with the golden texts' row; when they moved it is drift, whatever the data say."""
    if row.verdict != "drift":
        return replace(verdict, metrics=(*verdict.metrics, row))
    reason = f"{row.note}; of the data: {verdict.reason}"
    return replace(verdict, verdict="drift", reason=reason, metrics=(*verdict.metrics, row))


def golden_of(verdict: RunVerdict) -> MetricRow | None:
    """Return the golden texts' row of a run, if it has one."""
    return next((row for row in verdict.metrics if row.metric == METRIC), None)


def prevailing(tonight: MetricRow | None, before: RunVerdict | None) -> MetricRow | None:
    """Return what holds of the golden texts: tonight's answers, else those of the run before, else why there are none.

    When the service is away at a later look, what it said that night stays.
    """
    if tonight is not None and tonight.verdict != "not_judged":
        return tonight
    return (golden_of(before) if before else None) or tonight


async def _served(client: httpx.AsyncClient, manifest: Manifest) -> ServedModel:
    served = await _reply(client.build_request("GET", "/model"), client, ServedModel)
    if served.version != manifest.version:
        raise GoldenUnavailable(
            f"expected the service to serve model version {manifest.version}, found {served.version}; give its --model"
        )
    return served


async def _answer(client: httpx.AsyncClient, text: str) -> GoldenReply:
    request = client.build_request("POST", "/predict", json={"text": text}, headers=_SOURCE)
    return await _reply(request, client, GoldenReply)


async def _reply(request: httpx.Request, client: httpx.AsyncClient, kind: type[Decoded]) -> Decoded:
    """Return the service's reply. What it says of a failure is left out: another server may answer at that address."""
    try:
        response = (await client.send(request)).raise_for_status()
        return msgspec.json.decode(response.content, type=kind)
    except httpx.HTTPStatusError as error:
        found = f"status {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        found = type(error).__name__
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = "what the service does not say"
    raise GoldenUnavailable(
        f"expected an answer from {request.method} {request.url.path} of the service, found {found}"
        f"{through_proxy(str(request.url))}; see that it runs and that --service-url is its address"
    )
