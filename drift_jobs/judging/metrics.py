"""Every metric in one table: its name and words, its family, its test and floor, and how its numbers are shown.

To add one that is tested, add a `Metric` to `TESTED`: `comparisons` makes its row, `calibration` learns its floor and
`reporting` shows it. A number that no metric has read before is added to `columns`. A metric that is described without
a test has a line in `DESCRIBED`; where its row comes from is said there.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, Literal

import msgspec
import numpy as np

from drift_jobs.judging.columns import Columns
from drift_jobs.judging.frames import DESCRIPTORS
from drift_jobs.runs import Family
from drift_jobs.statistics.samples import Sample
from drift_jobs.statistics.two_sample import (
    Difference,
    domain_auc,
    kolmogorov_smirnov,
    mean_difference,
    share_difference,
    shares_difference,
)

MIN_LABELLED_ROWS: Final = 100
"""Rows with feedback that accuracy needs on both sides: below, a change of the floor's size cannot be seen at all."""
MIN_EMBEDDINGS: Final = 100
"""Rows with an embedding that the domain classifier needs on both sides, half of them to be fitted on."""

Sides = tuple[Sample, Sample]
"""Of the window and of the reference."""
ValueUnit = Literal["number", "share"]
EffectUnit = Literal["number", "points", "distance", "auc", "deviations"]
"""Points are reviews in a hundred; a distance is that of two distributions, whose means are the values shown."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for a metric in every run."""

    name: str
    """As in the table `drift_metrics`; with `{}` for the label where there is one for each."""
    words: str = ""
    """What people read; the name without underscores when empty."""
    family: Family
    value: ValueUnit = "number"
    effect: EffectUnit = "distance"
    floor: float = 0.05
    """The effect below which a change is not worth a reader's time, however sure it is. Of distances: a normal
    variable's mean moves by an eighth of its standard deviation."""
    largest_effect: float = 1.0
    """Beyond it no change can go: shares and distances end at 1."""


class TestedMetric(Metric, frozen=True, kw_only=True):
    """A metric that is tested over the window as a whole."""

    sides: Callable[[Columns, Columns], Sides | None]
    """What is tested; None where the model has no such thing. The row shows the means of values `(n,)`."""
    test: Callable[[Sample, Sample], Difference] = kolmogorov_smirnov
    fewest_rows: int = 1
    """Rows that the test needs on both sides."""


def _numbers(name: str, current: Columns, reference: Columns) -> Sides | None:
    if name not in current.numbers:
        return None
    return current.numbers_of(name), reference.numbers_of(name)


def _logits(current: Columns, reference: Columns) -> Sides | None:
    """Return all logits of more than two labels together `(n, n_labels)`, in standard deviations of the reference."""
    names = [name for name in current.numbers if name.startswith("logit_")]
    if not names:
        return None
    now, before = (np.stack([side.numbers[name] for name in names], axis=1) for side in (current, reference))
    kept, kept_before = (np.isfinite(rows).all(axis=1) for rows in (now, before))
    spread = before[kept_before].std(axis=0) if kept_before.any() else np.ones(len(names))
    spread = np.where(spread > 0, spread, 1.0)
    return (
        Sample(now[kept] / spread, current.clusters[kept]),
        Sample(before[kept_before] / spread, reference.clusters[kept_before]),
    )


_DESCRIPTOR_SHARES: Final = {
    "truncated": "share of texts cut short",
    "non_letter_share": "share of non-letters",
    "upper_share": "share of capitals",
    "digit_share": "share of digits",
}
"""Descriptors that are shares, in words; any other one is a number, and its name is its words."""


def _descriptor(name: str) -> TestedMetric:
    return TestedMetric(
        name=name,
        words=_DESCRIPTOR_SHARES.get(name, ""),
        family="inputs",
        value="share" if name in _DESCRIPTOR_SHARES else "number",
        sides=partial(_numbers, name),
    )


TESTED: Final = (
    *map(_descriptor, DESCRIPTORS),
    TestedMetric(
        name="embedding",
        words="embedding (domain classifier)",
        family="inputs",
        effect="auc",
        floor=0.03,  # of the AUC beyond 0.5
        largest_effect=0.5,
        sides=lambda current, reference: (current.embeddings(), reference.embeddings()),
        test=domain_auc,
        fewest_rows=MIN_EMBEDDINGS,
    ),
    TestedMetric(
        name="logit",
        words="log-odds of the positive label",
        family="predictions",
        sides=partial(_numbers, "logit"),
    ),
    TestedMetric(
        name="score",
        words="probability of the given label",
        family="predictions",
        sides=partial(_numbers, "score"),
    ),
    TestedMetric(
        name="logits",
        words="all logits together",
        family="predictions",
        effect="deviations",
        floor=0.1,
        largest_effect=float("inf"),
        sides=_logits,
        test=mean_difference,
        fewest_rows=2,
    ),
    TestedMetric(
        name="label_share",
        words="share of the positive label",
        family="predictions",
        value="share",
        effect="points",
        floor=0.02,  # two reviews in a hundred change sides
        sides=lambda current, reference: (current.label_shares(), reference.label_shares()),
        test=shares_difference,
    ),
    TestedMetric(
        name="accuracy",
        family="accuracy",
        value="share",
        effect="points",
        floor=0.02,  # about the difference between two models that one would choose between
        sides=lambda current, reference: (current.known_hits(), reference.known_hits()),
        test=share_difference,
        fewest_rows=MIN_LABELLED_ROWS,
    ),
)

DESCRIBED: Final = (
    # Beside `logits`, of more than two labels: `comparisons`.
    Metric(name="logit_{}", words="logit of {}", family="predictions"),
    # On rows with labels: `quality`.
    Metric(name="f1", words="F1", family="accuracy", effect="number"),
    Metric(name="roc_auc", words="ROC AUC", family="accuracy", effect="number"),
    Metric(name="brier", words="Brier score", family="accuracy", effect="number"),
    Metric(name="calibration_error", family="accuracy", effect="number"),
    # Without labels: `estimates`, and `record` for what labels showed later.
    Metric(name="estimated_accuracy", family="estimates", value="share", effect="points"),
    Metric(name="estimated_f1", words="estimated F1", family="estimates", effect="points"),
    Metric(name="estimated_roc_auc", words="estimated ROC AUC", family="estimates", effect="points"),
    Metric(name="share_em_{}", words="share of {} (EM)", family="estimates", value="share", effect="points"),
    Metric(name="share_bbse_{}", words="share of {} (BBSE)", family="estimates", value="share", effect="points"),
    Metric(
        name="checked_accuracy", words="accuracy of labelled rows", family="estimates", value="share", effect="points"
    ),
    # Of the running service: `nights.golden`.
    Metric(name="golden", words="largest change of a probability", family="model", effect="number"),
)

_BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in (*TESTED, *DESCRIBED)}
_BY_LABEL: Final = tuple(metric for metric in DESCRIBED if metric.name.endswith("{}"))


def find_metric(name: str) -> Metric | None:
    """Return the line of the table that a row's metric is of, or None: an older release may have stored it."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    return next((metric for metric in _BY_LABEL if name.startswith(metric.name.removesuffix("{}"))), None)


def metric_words(name: str) -> str:
    """Return what a metric is, in words."""
    found = find_metric(name)
    if found is None or not found.words:
        return name.replace("_", " ")
    return found.words.format(name.removeprefix(found.name.removesuffix("{}")))


def practical_floor(name: str) -> float:
    """Return the effect below which a change of a metric is not worth a reader's time, however sure it is."""
    return _BY_NAME[name].floor


def largest_effect(name: str) -> float:
    """Return the effect beyond which no change of a metric can go."""
    return _BY_NAME[name].largest_effect
