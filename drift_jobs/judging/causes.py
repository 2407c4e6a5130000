"""What is behind a change: where to look first. Pure functions; the judged rows come from `verdict`."""

import uuid
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from drift_jobs.judging.columns import paired_columns
from drift_jobs.judging.frames import DESCRIPTORS, LabelSet
from drift_jobs.judging.levels import benjamini_hochberg
from drift_jobs.runs import Causes, Change, MetricRow, MixChange, is_alarm
from drift_jobs.statistics.samples import Floats, Sample
from drift_jobs.statistics.two_sample import separation

MAX_DESCRIPTORS: Final = 5
MAX_SEGMENTS: Final = 10
MAX_NOVEL: Final = 10
FALSE_DISCOVERIES: Final = 0.05
"""Share of the named segments that may be wrong, on average."""


def causes(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet, rows: Sequence[MetricRow]) -> Causes:
    """Return what changed most between the two frames, given all judged rows of the run.

    Frames without rows, or without the columns that a part needs, leave that part out.
    """
    judged = [row for row in rows if row.verdict != "not_judged"]
    embedding = next((row for row in judged if row.metric == "embedding" and not row.segment), None)
    is_new = embedding is not None and is_alarm(embedding.verdict)
    return Causes(
        descriptors=_descriptors(judged),
        mix=_mix(current, reference, labels),
        segments=_segments(judged),
        novel=_novel(current, reference, labels) if is_new else (),
    )


def _descriptors(judged: Sequence[MetricRow]) -> tuple[Change, ...]:
    found = [row for row in judged if row.metric in DESCRIPTORS and not row.segment and _floors(row) >= 1]
    return tuple(map(_change, sorted(found, key=_floors, reverse=True)[:MAX_DESCRIPTORS]))


def _segments(judged: Sequence[MetricRow]) -> tuple[Change, ...]:
    """Return the segments that changed. All tests of segments count, also those whose effect is below its floor."""
    tests = [(row, row.p_value) for row in judged if row.segment and row.p_value is not None]
    adjusted = benjamini_hochberg([p_value for _, p_value in tests])
    found = [(row, q) for (row, _), q in zip(tests, adjusted, strict=True) if q < FALSE_DISCOVERIES]
    found.sort(key=lambda each: _floors(each[0]), reverse=True)
    return tuple(_change(row, q) for row, q in found[:MAX_SEGMENTS])


def _floors(row: MetricRow) -> float:
    """Return how many floors the effect is high; 0 where one of them is not known."""
    return row.effect / row.floor if row.effect is not None and row.floor else 0.0


def _change(row: MetricRow, adjusted_p: float | None = None) -> Change:
    return Change(
        metric=row.metric,
        segment=row.segment,
        effect=row.effect or 0.0,
        value=row.value,
        reference_value=row.reference_value,
        adjusted_p=adjusted_p,
    )


def _mix(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> MixChange | None:
    """Split the change of the positive share, over the rows with one of the model's labels as `label_share` has it.

    Numbers of products agree between windows of the log. A bundle's do not; against it nothing matches, as is meant.
    """
    if not all({"label", "cluster"} <= set(frame.columns) for frame in (current, reference)):
        return None
    known = [frame[frame["label"].isin(labels.names)] for frame in (current, reference)]
    # Rows without a product are of nothing that the other side has: -1 here, -2 there.
    products = [np.maximum(frame["cluster"].to_numpy(dtype=np.int64), -1) for frame in known]
    products[1] = np.where(products[1] < 0, -2, products[1])
    codes = np.unique(np.concatenate(products), return_inverse=True)[1].astype(np.intp)
    positive = [(frame["label"] == labels.positive).to_numpy(dtype=float) for frame in known]
    n = len(known[0])
    return kitagawa(Sample(positive[0], codes[:n]), Sample(positive[1], codes[n:]))


def _novel(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> tuple[uuid.UUID, ...]:
    """Return the predictions that look least like the reference.

    The classifier is that of the embedding's test, which learns from one half of the products and scores the other; so
    it is among these that the strangest are found.
    """
    needed = {"label", "score", "target", "cluster", "embedding", *DESCRIPTORS, *labels.logit_columns}
    if not ({"prediction_id", *needed} <= set(current.columns) and needed <= set(reference.columns)):
        return ()
    now, before = paired_columns(current, reference, labels)
    found = separation(now.embeddings(), before.embeddings()) if now.embedding.shape[1] else None
    if found is None:
        return ()
    with_embedding = np.flatnonzero(np.isfinite(now.embedding).all(axis=1))
    strangest = np.argsort(-found.scores, kind="stable")[:MAX_NOVEL]
    ids = current["prediction_id"].to_numpy()[with_embedding[found.rows[strangest]]]
    return tuple(uuid.UUID(str(each)) for each in ids)  # asyncpg's are of a class of its own


def kitagawa(current: Sample, reference: Sample) -> MixChange | None:
    """Split the change of a share into product mix and change within products; None with no product in common.

    Values are 1 for yes and 0 for no, `(n,)`; the same product has the same cluster number on both sides. With w and v
    a product's part of the rows and p and q its share of yes, now and before, over products that both sides have
    (Kitagawa 1955, Journal of the American Statistical Association 50):

    - within is the sum of (p - q) (w + v) / 2,
    - mix is the sum of (w - v) ((p + q) / 2 - r),
    - unmatched is, over the other products, the sum of w (p - r) less the sum of v (q - r).

    r is the share of yes among rows of common products, the mean of both sides. It is not in Kitagawa's formula, in
    which it cancels as there w and v add up to the same. Here it keeps apart what would only cancel in the total: mix
    is 0 when the common products keep their proportions, unmatched is 0 when new and lost products are as the others.
    """
    products = 1 + max(int(side.clusters.max(initial=-1)) for side in (current, reference))
    (now, yes), (before, yes_before) = (_parts(side, products) for side in (current, reference))
    common = (now > 0) & (before > 0)
    if not common.any():
        return None
    typical = (yes[common].sum() / now[common].sum() + yes_before[common].sum() / before[common].sum()) / 2
    p, q = yes[common] / now[common], yes_before[common] / before[common]
    w, v = now[common], before[common]
    return MixChange(
        change=float(yes.sum() - yes_before.sum()),
        mix=float(((w - v) * ((p + q) / 2 - typical)).sum()),
        within=float(((p - q) * (w + v) / 2).sum()),
        unmatched=float(((yes - typical * now) - (yes_before - typical * before))[~common].sum()),
        matched_share=float(w.sum()),
    )


def _parts(side: Sample, products: int) -> tuple[Floats, Floats]:
    """Return for each product its part of all rows, and the part of all rows that are its and yes."""
    rows = max(1, len(side.values))
    return (
        np.bincount(side.clusters, minlength=products) / rows,
        np.bincount(side.clusters, weights=side.values, minlength=products) / rows,
    )
