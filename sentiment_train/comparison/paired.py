"""Tests of two models on the same rows, where only the rows count on which one is right and the other wrong.

`gained` is the number of rows that B gets right and A wrong, `lost` the number that A gets right and B wrong. Rows
count as independent here; `intervals` has those that know products.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

FEW_DISCORDANT = 25
"""Below it McNemar's test is exact, and never rejects more often than it says; the mid-p does with few rows."""
_FLAT = 1e-12
"""Bisection stops here; it is far below one row."""


def mcnemar(gained: int, lost: int) -> tuple[float, str]:
    """Return the two-sided p-value of equal accuracy, 0 to 1, and which form of McNemar's test gave it.

    `exact binomial` with few discordant rows, `mid-p` otherwise (Fagerland, Lydersen, Laake, BMC Medical Research
    Methodology 13:91, 2013).
    """
    discordant = gained + lost
    fewer = min(gained, lost)
    exact = 2 * float(binom.cdf(fewer, discordant, 0.5))
    if discordant < FEW_DISCORDANT:
        return min(1.0, exact), "exact binomial"
    return min(1.0, exact - float(binom.pmf(fewer, discordant, 0.5))), "mid-p"


def score_statistic(gained: int, lost: int, rows: int, difference: float) -> float:
    """Return how many standard errors the observed difference of accuracy (B minus A) lies above `difference`.

    Standard normal when `difference`, between -1 and 1, is the true one. The standard error is the one under that
    hypothesis, so that it is not 0 when no row is discordant (Tango, Statistics in Medicine 17:891, 1998).
    """
    observed = gained - lost - rows * difference
    linear = (2 * rows - gained + lost) * difference - gained - lost
    share = (math.sqrt(linear**2 + 8 * rows * lost * difference * (1 - difference)) - linear) / (4 * rows)
    variance = rows * (2 * share + difference * (1 - difference))
    if variance <= 0:
        return 0.0 if observed == 0 else math.copysign(math.inf, observed)
    return observed / math.sqrt(variance)


def score_interval(gained: int, lost: int, rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of the difference of accuracy (B minus A), -1 to 1, by `score_statistic`."""
    z = float(norm.ppf((1 + confidence) / 2))
    observed = (gained - lost) / rows

    def above(difference: float) -> float:
        return score_statistic(gained, lost, rows, difference) - z

    def below(difference: float) -> float:
        return score_statistic(gained, lost, rows, difference) + z

    low = -1.0 if observed == -1 else float(brentq(above, -1 + _FLAT, observed, xtol=_FLAT))
    high = 1.0 if observed == 1 else float(brentq(below, observed, 1 - _FLAT, xtol=_FLAT))
    return low, high


def loss_beyond(gained: int, lost: int, rows: int, margin: float) -> float:
    """Return the one-sided p-value, 0 to 1, of B losing at most `margin` of accuracy (0 to 1) against A.

    A small one says that B is worse by more than the margin.
    """
    return float(norm.cdf(score_statistic(gained, lost, rows, -margin)))


def visible_loss(gained: int, lost: int, rows: int, margin: float, alpha: float, power: float = 0.8) -> float:
    """Return the loss of accuracy, 0 to 1, that `loss_beyond` shows to be above `margin` with the chance `power`.

    At the level `alpha`, by the normal approximation, with as many discordant rows as observed, or as many as the loss
    itself takes. 1 when no loss would be seen.
    """
    discordant = (gained + lost) / rows
    wanted = float(norm.ppf(1 - alpha) + norm.ppf(power))

    def excess(loss: float) -> float:
        return (loss - margin) - wanted * math.sqrt(max((max(discordant, loss) - loss**2) / rows, 0.0))

    return float(brentq(excess, margin, 1.0)) if excess(1.0) > 0 > excess(margin) else 1.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return the p-values `(n,)`, in their order, corrected for being n: the family-wise error holds in any dependence.

    Holm, Scandinavian Journal of Statistics 6:65, 1979.
    """
    found = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(found)
    stepped = np.minimum(1.0, np.maximum.accumulate(found[order] * np.arange(len(found), 0, -1)))
    corrected = np.empty_like(stepped)
    corrected[order] = stepped
    return corrected
