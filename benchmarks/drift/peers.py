"""The same windows, judged by others as they come: Evidently's DataDriftPreset, NannyML's univariate drift and CBPE.

They see what the prediction log holds as columns: descriptors, logit, score and label, NannyML's CBPE the probabilities
and the reference's labels. Evidently runs here; NannyML needs older packages, and runs with the Python that is given.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from benchmarks.drift.judging import Rate, court
from benchmarks.drift.population import Shop, split
from benchmarks.drift.quiet import window_of
from benchmarks.drift.shifts import Change, Source, changed_texts, move_positive, other_shop
from drift_jobs.judging.calibration import size_for
from drift_jobs.judging.frames import DESCRIPTORS

COLUMNS = [*DESCRIPTORS, "logit", "score"]
_SIDE = Path(__file__).parent / "nannyml_side.py"


class PeerWindows(NamedTuple):
    """Windows that are compared."""

    what: str
    change: Change | None


class Verdicts(NamedTuple):
    """Whether each said that something drifted."""

    ours: bool
    evidently: bool
    evidently_any: bool
    nannyml_univariate: bool
    nannyml_cbpe: bool


def compare(
    shop: Shop,
    other: Shop,
    changed: dict[str, pd.DataFrame],
    size: int,
    windows: int,
    splits: int,
    seed: int,
    python: Path,
) -> list[dict[str, object]]:
    """Return a row for each case: how often each system said that something drifted."""
    found: dict[str, list[Verdicts]] = {}
    for number, each in enumerate(np.random.SeedSequence(seed).spawn(splits)):
        for what, verdicts in _one_split(shop, other, changed, size, windows // splits, each, python):
            found.setdefault(what, []).append(verdicts)
        print(f"windows of {size:,} rows: {number + 1} of {splits} divisions", flush=True)
    return [_row(what, size, verdicts) for what, verdicts in found.items()]


def _row(what: str, size: int, found: list[Verdicts]) -> dict[str, object]:
    counts = {name: Rate(sum(getattr(one, name) for one in found), len(found)) for name in Verdicts._fields}
    print({"what": what, "size": size} | {name: str(value) for name, value in counts.items()}, flush=True)
    return {"what": what, "size": size, **counts}


def _cases() -> Iterator[PeerWindows]:
    yield PeerWindows("quiet", None)
    yield PeerWindows("5 points fewer positive", partial(move_positive, -0.05))
    yield PeerWindows("10 points fewer positive", partial(move_positive, -0.10))
    yield PeerWindows("25 % of another category", partial(other_shop, 0.25))
    yield PeerWindows("typos in 3 % of letters", partial(changed_texts, "typos in 3 % of letters", 1.0))


def _one_split(
    shop: Shop,
    other: Shop,
    changed: dict[str, pd.DataFrame],
    size: int,
    windows: int,
    seed: np.random.SeedSequence,
    python: Path,
) -> list[tuple[str, Verdicts]]:
    random = np.random.default_rng(seed)
    judge = court(split(shop, random), (size_for(size),))
    source = Source(judge.split.evaluation, other.frame, changed)
    judged = [
        (case.what, case.change(window, source, random) if case.change else window)
        for case in _cases()
        for window in (window_of(judge.split, shop, size, random)[0] for _ in range(windows))
    ]
    frames = [window for _, window in judged]
    ours = [judge.judge(window).verdict in ("watch", "drift") for window in frames]
    evidently = [_evidently(window, judge.split.reference) for window in frames]
    nannyml = _nannyml(frames, judge.split.reference, python)
    return [
        (what, Verdicts(mine, whole, any_column, univariate, cbpe))
        for (what, _), mine, (whole, any_column), (univariate, cbpe) in zip(
            judged, ours, evidently, nannyml, strict=True
        )
    ]


def _evidently(window: pd.DataFrame, reference: pd.DataFrame) -> tuple[bool, bool]:
    """Return whether the preset calls the data set drifted, and whether it calls any column so."""
    definition = DataDefinition(numerical_columns=COLUMNS, categorical_columns=["label"])
    sides = [
        Dataset.from_pandas(frame[[*COLUMNS, "label"]].reset_index(drop=True), definition)
        for frame in (window, reference)
    ]
    metrics = Report([DataDriftPreset()]).run(sides[0], sides[1]).dict()["metrics"]
    count, share = (metrics[0]["value"][name] for name in ("count", "share"))
    return bool(share >= 0.5), bool(count >= 1)


def _nannyml(windows: list[pd.DataFrame], reference: pd.DataFrame, python: Path) -> list[tuple[bool, bool]]:
    with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        data = Path(folder)
        _plain(reference[reference["target"].notna()]).to_csv(data / "reference.csv", index=False)
        for number, window in enumerate(windows):
            _plain(window).to_csv(data / f"window-{number}.csv", index=False)
        done = subprocess.run(
            [str(python), str(_SIDE), folder, str(len(windows))], check=True, capture_output=True, text=True
        )
    return [tuple(pair) for pair in json.loads(done.stdout.splitlines()[-1])]


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[COLUMNS].assign(
        label=frame["label"],
        predicted=(frame["label"] == "positive").astype(int),
        probability=frame["probability_positive"],
        target=(frame["target"] == "positive").astype(int),
    )
