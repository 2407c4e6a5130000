"""What an operator sees of the queue and of the engine's threads."""

from collections.abc import Callable

import pytest

from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import Answers, Hold, NewBatcher, Submit

FATAL = 667


def test_padding_is_counted(new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers) -> None:
    """The tokens of the texts and the tokens computed for them are counted apart."""
    metrics = Metrics()
    batcher, engine = new_batcher(metrics=metrics)
    running = hold(batcher, engine)
    futures = submit(batcher, [1] * 2, [2] * 3, [3] * 4)
    engine.gate.set()
    answers([running, *futures])
    batcher.stop()
    read = metrics.registry.get_sample_value
    assert read("sentiment_asked_tokens_total") == 1 + 2 + 3 + 4
    assert read("sentiment_computed_tokens_total") == 1 + 3 * 4
    assert (read("sentiment_batch_texts_count"), read("sentiment_batch_texts_sum")) == (2, 4)
    assert (read("sentiment_batch_tokens_count"), read("sentiment_batch_tokens_sum")) == (2, 10)


def test_what_waits_is_shown(new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers) -> None:
    """Two requests behind the one that is computed are two requests of four texts, and nothing once they are done."""
    metrics = Metrics()
    batcher, engine = new_batcher(metrics=metrics)

    def waiting() -> list[float | None]:
        return [
            metrics.registry.get_sample_value(f"sentiment_queued_{what}") for what in ("requests", "texts", "tokens")
        ]

    running = hold(batcher, engine)
    futures = submit(batcher, [1] * 2, [2] * 3, [3] * 4) + submit(batcher, [4] * 5)
    assert waiting() == [2, 4, 14]
    engine.gate.set()
    answers([running, *futures])
    assert waiting() == [0, 0, 0]


@pytest.mark.filterwarnings("ignore:Exception in thread engine:pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_engine_thread_is_seen(
    new_batcher: NewBatcher, waiting: Callable[..., None], submit: Submit, answers: Answers
) -> None:
    """One of two threads that ends is missed at once, though the other goes on answering."""
    metrics = Metrics()
    batcher, _ = new_batcher(threads=2, metrics=metrics)

    def alive() -> float | None:
        return metrics.registry.get_sample_value("sentiment_engine_threads_alive")

    assert (batcher.is_alive(), alive()) == (True, 2)
    submit(batcher, [FATAL])
    waiting(lambda: alive() == 1, "a thread has ended")
    assert not batcher.is_alive()
    assert metrics.registry.get_sample_value("sentiment_engine_threads") == 2
    assert answers(submit(batcher, [9])) == [[9, 1]]
