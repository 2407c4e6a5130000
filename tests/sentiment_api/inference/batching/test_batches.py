"""Which texts are computed together, by how many threads, and that each caller gets its own answer."""

import threading

from tests.protocols import Answers, Hold, NewBatcher, Submit

PATIENCE_S = 30.0


def test_each_future_gets_its_own_answer(new_batcher: NewBatcher, submit: Submit, answers: Answers) -> None:
    """The futures of one call come in the order of the texts, whatever their lengths."""
    batcher, _ = new_batcher()
    texts = [[number] * length for number, length in enumerate((5, 1, 30, 2, 9, 4, 17, 3, 8, 6), start=1)]
    assert answers(submit(batcher, *texts)) == [[ids[0], len(ids)] for ids in texts]


def test_many_threads_get_their_own_answers(new_batcher: NewBatcher, submit: Submit, answers: Answers) -> None:
    """Callers at the same moment never see each other's answers."""
    batcher, _ = new_batcher()
    found: dict[int, list[list[float]]] = {}

    def call(number: int) -> None:
        found[number] = answers(submit(batcher, *[[1000 * number + step] for step in range(20)]))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [[1000 * number + step, 1] for step in range(20)] for number in range(1, 9)}


def test_what_waits_goes_in_one_batch(new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers) -> None:
    """Texts that came while the engine was busy are computed together."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    futures = submit(batcher, [1], [2, 2], [3, 3, 3])
    engine.gate.set()
    answers(futures)
    assert engine.firsts() == [[0], [1, 2, 3]]


def test_a_batch_keeps_to_the_engines_limit(
    new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers
) -> None:
    """An engine that takes one text at a time gets one text at a time."""
    batcher, engine = new_batcher(texts=1)
    hold(batcher, engine)
    futures = submit(batcher, [1], [2], [3])
    engine.gate.set()
    answers(futures)
    assert engine.firsts() == [[0], [1], [2], [3]]


def test_a_lone_text_has_all_the_cores(new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers) -> None:
    """The engine is told when nothing else runs or waits, and not when something does."""
    batcher, engine = new_batcher(texts=1, threads=2)
    running = hold(batcher, engine)
    beside = submit(batcher, [2])
    assert engine.entered.acquire(timeout=PATIENCE_S)
    engine.gate.set()
    answers([running, *beside])
    answers(submit(batcher, [3]))
    assert engine.alone == [True, False, True]


def test_all_threads_of_the_engine_work_at_once(new_batcher: NewBatcher, submit: Submit, answers: Answers) -> None:
    """An engine with three threads is called three times before the first call returns."""
    batcher, engine = new_batcher(texts=1, threads=3)
    engine.gate.clear()
    futures = submit(batcher, [1], [2], [3], [4])
    assert all(engine.entered.acquire(timeout=PATIENCE_S) for _ in range(3))
    assert not engine.entered.acquire(blocking=False)
    engine.gate.set()
    assert answers(futures) == [[1, 1], [2, 1], [3, 1], [4, 1]]
