"""Time, one candidate after the other for each repetition, so that what else the machine does falls on all."""

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.speed.engines.candidates import Ids, Run

_SPAN_S = 0.1
"""A pass that is shorter is repeated for as long, after one to warm up."""
_LOAD_S = 0.8
_SETTLE_S = 0.03
"""Thread pools spin a while after their work is done, on cores that the next candidate wants."""

Shape = tuple[int, int]
"""Texts and tokens per text."""
Figures = dict[str, float]
Progress = Callable[[str], None]


def random_ids(shape: Shape) -> Ids:
    """Return token ids of `shape`, the same each time."""
    return np.random.default_rng(shape).integers(1000, 20_000, shape)


def latencies(
    runs: Mapping[str, Run], shapes: list[Shape], repetitions: int, progress: Progress
) -> dict[str, dict[str, Figures]]:
    """Return by candidate and shape the time of a pass, and tokens per second."""
    times_ms: dict[str, dict[Shape, list[float]]] = {name: {shape: [] for shape in shapes} for name in runs}
    for repetition in range(repetitions):
        for shape in shapes:
            ids = random_ids(shape)
            for name, run in runs.items():
                times_ms[name][shape].append(1000 * _seconds(run, ids))
        progress(f"repetition {repetition + 1} of {repetitions}")
    return {
        name: {spelled(shape): _spread(times, shape) for shape, times in of_shapes.items()}
        for name, of_shapes in times_ms.items()
    }


def throughputs(
    runs: Mapping[str, list[Run]], shape: Shape, repetitions: int, progress: Progress
) -> dict[str, Figures]:
    """Return by candidate the tokens per second of all its callers together, each in a thread of its own."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(repetitions):
        for name, callers in runs.items():
            rates[name].append(_rate(callers, shape))
        progress(f"repetition {repetition + 1} of {repetitions}")
    return {name: quartiles(each, "tokens_per_s") for name, each in rates.items()}


def spelled(shape: Shape) -> str:
    """Return `8x32` for 8 texts of 32 tokens."""
    return f"{shape[0]}x{shape[1]}"


def quartiles(values: list[float], name: str) -> Figures:
    """Return the median as `name`, and the quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75]).tolist()
    return {name: round(middle, 3), f"{name}_q1": round(low, 3), f"{name}_q3": round(high, 3)}


def _seconds(run: Run, ids: Ids) -> float:
    """Return the seconds of a pass."""
    time.sleep(_SETTLE_S)
    first = _seconds_of(run, ids, 1)
    return first if first >= _SPAN_S else _seconds_of(run, ids, math.ceil(_SPAN_S / first))


def _seconds_of(run: Run, ids: Ids, passes: int) -> float:
    begun = time.perf_counter()
    for _ in range(passes):
        run(ids)
    return (time.perf_counter() - begun) / passes


def _spread(times_ms: list[float], shape: Shape) -> Figures:
    figures = quartiles(times_ms, "ms")
    return {**figures, "tokens_per_s": round(1000 * math.prod(shape) / figures["ms"])}


def _rate(callers: list[Run], shape: Shape) -> float:
    """Return tokens per second of all callers; each is measured over its own whole passes."""
    ids = random_ids(shape)

    def load(run: Run) -> float:
        run(ids)
        begun, passes = time.perf_counter(), 0
        while time.perf_counter() - begun < _LOAD_S:
            run(ids)
            passes += 1
        return passes / (time.perf_counter() - begun)

    time.sleep(_SETTLE_S)
    with ThreadPoolExecutor(len(callers)) as threads:
        return math.prod(shape) * sum(threads.map(load, callers))
