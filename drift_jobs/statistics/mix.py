"""Why a share changed: because other products are reviewed, or because the same products are reviewed differently."""

import numpy as np

from drift_jobs.runs import MixChange
from drift_jobs.statistics.samples import Floats, Sample


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
