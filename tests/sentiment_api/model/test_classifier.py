"""The starter on both engines: answers do not depend on neighbours, agree with each other and with the record."""

import threading
import time

import msgspec
import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from numpy.typing import NDArray

from sentiment_api.errors import SelfCheckFailed
from sentiment_api.inference.batching import Batcher
from sentiment_api.inference.capacity import Capacity, Lane
from sentiment_api.model.bundle import GOLDEN_TOLERANCE, Bundle, GoldenText
from sentiment_api.model.classifier import Classifier
from sentiment_api.telemetry.metrics import Metrics

REVIEWS = [
    "Love it.",
    "The hinge broke within a week and the shop will not answer.",
    "Good sound for the price, although the cable is short and the box was open when it came.",
    "I have used this pan every day for two years. Nothing sticks, nothing bends, and it still looks new.",
]
OUTLIERS = [
    "!",
    "§ ¤ 漢字 😀 " * 40,
    "AAAAAAAAAAAAAAAA " * 60,
    "terrible " * 600,
    "wonderful " * 300,
    "0 1 2 3 4 5 6 7 8 9 " * 25,
    "x" * 5_000,
    " ".join(f"word{number}" for number in range(90)),
]


@pytest.fixture(scope="module")
def lengths(cpu: Classifier) -> list[list[int]]:
    """Token ids of reviews, cut to 16, 33, 127 and 512 tokens, and those of the short reviews."""
    story = cpu.encode(" ".join(REVIEWS) * 20).ids
    return [[*story[: size - 1], story[-1]] for size in (16, 33, 127, 512)] + [cpu.encode(text).ids for text in REVIEWS]


def alone(classifier: Classifier, ids: list[int]) -> NDArray[np.float64]:
    """Return the probabilities of one text in a pass of its own."""
    return classifier.calibrate(classifier.forward([ids]).logits)[0]


def test_hostile_neighbours_change_nothing(cpu: Classifier) -> None:
    """On the default engine a review's probabilities are the same alone and in a crowd of outliers, within 1e-3."""
    texts = [cpu.encode(text).ids for text in (*REVIEWS, *OUTLIERS)]
    assert {len(ids) for ids in texts} >= {3, 512}
    expected = [alone(cpu, ids) for ids in texts]
    metrics = Metrics()
    capacity = Capacity(tokens_per_s=5000.0, max_tokens=1 << 20, max_text_tokens=512, metrics=metrics)
    batcher = Batcher(cpu, capacity, metrics)
    batcher.start()
    worst: list[float] = []

    def call(number: int) -> None:
        order = np.random.default_rng(number).permutation(len(texts))
        lane: Lane = "batch" if number % 2 else "single"
        futures = batcher.submit([texts[each] for each in order], lane, time.monotonic() + 120)
        for each, future in zip(order, futures, strict=True):
            found = cpu.calibrate(future.result(120).logits)
            worst.append(float(np.abs(found - expected[each]).max()))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batcher.stop()
    assert len(worst) == 6 * len(texts)
    assert max(worst) <= 1e-3


def test_padding_changes_nothing(torch: Classifier, lengths: list[list[int]]) -> None:
    """On the reference engine texts of 16 to 512 tokens in one padded batch get what each gets alone, within 1e-5."""
    together = torch.forward(lengths)
    for row, ids in enumerate(lengths):
        assert np.abs(torch.calibrate(together.logits[row]) - alone(torch, ids)).max() <= 1e-5
        assert np.abs(together.pooled[row] - torch.forward([ids]).pooled[0]).max() <= 1e-5


def test_the_engines_agree(cpu: Classifier, torch: Classifier) -> None:
    """Both engines give each golden text the same label, and probabilities within the self-check's tolerance."""
    for golden in cpu.bundle.manifest.golden:
        one, other = cpu.classify(golden.text), torch.classify(golden.text)
        assert np.argmax(one) == np.argmax(other)
        assert np.abs(one - other).max() <= GOLDEN_TOLERANCE


def test_the_engines_describe_a_text_alike(cpu: Classifier, torch: Classifier) -> None:
    """The logged embedding of a text is nearly the same direction whichever engine made it."""
    for text in REVIEWS:
        ids = cpu.encode(text).ids
        one, other = (each.project(each.forward([ids]).pooled)[0] for each in (cpu, torch))
        assert one.shape == (32,)
        assert one @ other / (np.linalg.norm(one) * np.linalg.norm(other)) > 0.99


def test_the_starter_passes_its_self_check(cpu: Classifier, torch: Classifier) -> None:
    """Each engine gives the golden texts the answers that were recorded for it."""
    cpu.self_check()
    torch.self_check()


def test_golden_texts_are_far_from_undecided(bundle: Bundle) -> None:
    """No golden probability lies within 0.1 of one half, where a rounding error would be another label."""
    assert len(bundle.manifest.golden) >= 10
    for golden in bundle.manifest.golden:
        for probabilities in golden.probabilities.values():
            assert min(abs(each - 0.5) for each in probabilities) > 0.1


def with_first_golden(classifier: Classifier, shift: float) -> Classifier:
    """Return the classifier with a bundle whose first golden answers were recorded `shift` away."""
    manifest = classifier.bundle.manifest
    first = manifest.golden[0]
    moved = {name: [p[0] + shift, p[1] - shift] for name, p in first.probabilities.items()}
    golden = [GoldenText(first.text, moved), *manifest.golden[1:]]
    changed = msgspec.structs.replace(classifier.bundle, manifest=msgspec.structs.replace(manifest, golden=golden))
    return Classifier(changed, classifier.engine)


def test_a_distance_from_the_record_fails_the_self_check(cpu: Classifier) -> None:
    """An answer 0.05 from the recorded one stops the start, and says by how much it differs."""
    with pytest.raises(SelfCheckFailed, match=r"golden text 0 .* within 0\.03 .*'cpu'.* distance of 0\.05"):
        with_first_golden(cpu, 0.05).self_check()
    with_first_golden(cpu, 0.02).self_check()


def test_another_label_than_recorded_fails_the_self_check(cpu: Classifier) -> None:
    """A golden text that changes sides stops the start."""
    with pytest.raises(SelfCheckFailed, match=r"golden text 0 .* gets another label than at export"):
        with_first_golden(cpu, 0.9).self_check()


def test_calibration_divides_by_the_temperature(cpu: Classifier) -> None:
    """Probabilities are the softmax of logits over the temperature, and extreme logits stay numbers."""
    temperature = cpu.bundle.manifest.temperature
    logits = np.array([[0.0, temperature * np.log(3.0)], [-1000.0, 1000.0]], dtype=np.float32)
    assert cpu.calibrate(logits) == pytest.approx(np.array([[0.25, 0.75], [0.0, 1.0]]), abs=1e-6)


@pytest.mark.parametrize(("words", "tokens", "truncated"), [(1, 3, False), (510, 512, False), (511, 512, True)])
def test_a_long_text_is_cut_at_the_models_limit(cpu: Classifier, words: int, tokens: int, truncated: bool) -> None:
    """What the model takes counts both special tokens; beyond it the beginning and the separator remain."""
    encoded = cpu.encode("good " * words)
    assert (len(encoded.ids), encoded.truncated) == (tokens, truncated)
    assert (encoded.ids[0], encoded.ids[-1]) == (101, 102)


def test_the_end_of_a_long_text_does_not_count(cpu: Classifier) -> None:
    """Whatever stands after the limit leaves the answer as it is."""
    start = "This is the best kettle that we have had. " * 80
    assert cpu.classify(start + "Awful! " * 300) == pytest.approx(cpu.classify(start), abs=1e-9)


def test_a_client_is_told_of_truncation(client: TestClient[Litestar]) -> None:
    """A review of more than 600 words is answered, with 512 tokens and `truncated`."""
    reply = client.post("/predict", json={"text": "It works every single day. " * 130}).json()
    assert (reply["tokens"], reply["truncated"], reply["label"]) == (512, True, "positive")
    short = client.post("/predict", json={"text": "It works every single day."}).json()
    assert (short["tokens"], short["truncated"]) == (8, False)


@pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 2)])
def test_calibration_keeps_the_shape(cpu: Classifier, shape: tuple[int, ...]) -> None:
    """One text's logits or several texts' come back as probabilities, which add up to 1 for each text."""
    probabilities = cpu.calibrate(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    assert probabilities.shape == shape
    assert probabilities.sum(axis=-1) == pytest.approx(np.ones(shape[:-1]))
