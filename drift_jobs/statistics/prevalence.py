"""How frequent each label is in a window of which only the classifier's answers are known.

Both methods take label shift for granted: reviews of one label look as they did in the reference, and only the shares
of the labels moved. Both solve `mean of h over the window = sum over labels of share * mean of h over the reference's
rows of that label`, where h is what one reads off an answer: for BBSE which label was given, for EM how much likelier
each label is than the mixture. So both have the same error: the clustered variance of both means (sandwich, Liang and
Zeger 1986), turned by the matrix of the reference's means. A bootstrap over products comes to the same, with draws.
"""

from typing import Final, NamedTuple

import numpy as np
from scipy import stats

from drift_jobs.statistics.samples import Floats, covariance_of_means
from drift_jobs.statistics.scored_rows import ScoredRows

SINGULAR: Final = 0.05
"""Smallest singular value of the matrix of means; for two labels about the difference of the true and the false
positive rate. Below it, errors of the window's shares are multiplied by 20 and more."""
MAX_ITERATIONS: Final = 2_000
TOLERANCE: Final = 1e-7


class Shares(NamedTuple):
    """Estimated shares of the labels, with 95 % intervals."""

    values: Floats
    """`(n_labels,)`, adding up to 1."""
    lower: Floats
    """0 where nothing is known."""
    upper: Floats
    covariance: Floats
    """`(n_labels, n_labels)`; infinite when a side has one cluster only."""


def expectation_maximization(probabilities: Floats, reference_shares: Floats) -> Floats:
    """Return the shares `(n_labels,)` under which the answers are likeliest.

    Saerens, Latinne and Decaestecker 2002, Neural Computation 14.
    `probabilities` `(n, n_labels)` are calibrated for `reference_shares`, of which none is 0.
    """
    ratios = probabilities / reference_shares
    shares: Floats = reference_shares
    for _ in range(MAX_ITERATIONS):
        updated: Floats = shares * (ratios / (ratios @ shares)[:, None]).mean(axis=0)
        if np.abs(updated - shares).max() < TOLERANCE:
            return updated
        shares = updated
    return shares


def black_box(given_shares: Floats, confusion: Floats) -> Floats | None:
    """Return the shares `(n_labels,)` behind the shares of given labels (BBSE: Lipton et al. 2018, arXiv 1802.03916).

    `confusion[i, j]` is the share of label i among the answers to rows whose right label is j. Negative shares become 0
    and the rest add up to 1. None when the answers (nearly) do not depend on the right label.
    """
    return _solved(given_shares, confusion)


def is_singular(means: Floats) -> bool:
    """Return whether what is read off answers hardly depends on the right label."""
    return not np.isfinite(means).all() or float(np.linalg.svd(means, compute_uv=False)[-1]) < SINGULAR


def em_shares(window: ScoredRows, reference: ScoredRows) -> Shares | None:
    """Return the shares by EM; None when the reference lacks a label, or its answers do not tell labels apart.

    The probabilities of both sides are those recalibrated on the reference. What is left of their faults is taken out
    by one step: what EM reads off the window's answers is held against what it reads off the reference's, of which the
    labels are known. With faultless probabilities the step changes nothing; with three labels it took out 2 points.
    """
    known = reference.known()
    before = known.truth_shares()
    if not window.rows or not before.all():
        return None
    likeliest = expectation_maximization(window.probabilities, before)
    read, read_before = (_lift(side, before, likeliest) for side in (window, known))
    shares = _solved(read.mean(axis=0), _means_by_truth(read_before, known))
    return None if shares is None else _with_interval(shares, window, read, known, read_before)


def bbse_shares(window: ScoredRows, reference: ScoredRows) -> Shares | None:
    """Return the shares by BBSE; None when the reference lacks a label, or its answers do not tell labels apart."""
    known = reference.known()
    if not window.rows or not known.truth_shares().all():
        return None
    given, given_before = _one_hot(window), _one_hot(known)
    shares = black_box(given.mean(axis=0), _means_by_truth(given_before, known))
    return None if shares is None else _with_interval(shares, window, given, known, given_before)


def _lift(rows: ScoredRows, before: Floats, shares: Floats) -> Floats:
    """Return `(n, n_labels)`: how much likelier a row is under each label than under the mixture of `shares`."""
    ratios = rows.probabilities / before
    lift: Floats = ratios / (ratios @ shares)[:, None]
    return lift


def _one_hot(rows: ScoredRows) -> Floats:
    return np.eye(rows.probabilities.shape[1])[rows.given]


def _means_by_truth(rows: Floats, known: ScoredRows) -> Floats:
    """Return the mean of `rows` `(n, dim)` over each right label, as columns."""
    return np.stack([rows[known.truth == label].mean(axis=0) for label in range(rows.shape[1])], axis=1)


def _solved(found: Floats, means: Floats) -> Floats | None:
    """Return the shares with which the reference's `means` become what was `found` in the window."""
    if is_singular(means):
        return None
    kept = np.clip(np.linalg.solve(means, found), 0.0, None)
    shares: Floats = kept / kept.sum()
    return shares


def _with_interval(shares: Floats, window: ScoredRows, read: Floats, known: ScoredRows, read_before: Floats) -> Shares:
    """Return the shares with the error that both samples leave; the matrix of means is not singular."""
    means = _means_by_truth(read_before, known)
    weights = shares / known.truth_shares()
    deviations = weights[known.truth][:, None] * (read_before - means.T[known.truth])
    spread = covariance_of_means(read, window.clusters) + covariance_of_means(deviations, known.clusters)
    if not np.isfinite(spread).all():
        return Shares(shares, np.zeros_like(shares), np.ones_like(shares), spread)
    turn = np.linalg.inv(means)
    covariance = turn @ spread @ turn.T
    freedom = max(1.0, min(window.effective_clusters, known.effective_clusters) - 1)
    margin = stats.t.ppf(0.975, freedom) * np.sqrt(np.diag(covariance))
    return Shares(shares, np.clip(shares - margin, 0, 1), np.clip(shares + margin, 0, 1), covariance)
