"""What a model learns from the validation part after its fit: how sure to be, and how its embeddings are projected."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA

from sentiment_api.model.bundle import Projection

PROJECTED_DIMENSIONS = 32
MIN_MISTAKES = 20
"""On a validation part with fewer mistakes than these the best temperature is near 0, and every score would be 1."""


def safe_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the fitted temperature; at least 1 when the model made too few mistakes to learn its sureness from."""
    mistakes = int(np.sum(logits.argmax(axis=1) != truth))
    fitted = fit_temperature(logits, truth)
    return fitted if mistakes >= MIN_MISTAKES else max(1.0, fitted)


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the temperature that minimizes the negative log-likelihood of `truth` `(n,)` under `logits / temperature`.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        log_sums = np.logaddexp.reduce(scaled, axis=1)
        return float(np.mean(log_sums - scaled[np.arange(len(truth)), truth]))

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def fit_projection(pooled: NDArray[np.float32]) -> Projection:
    """Return the projection of embeddings `(n, dim)` to their first principal components."""
    pca = PCA(min(PROJECTED_DIMENSIONS, *pooled.shape), random_state=0).fit(pooled)
    return Projection(pca.mean_.astype(np.float32), np.ascontiguousarray(pca.components_, dtype=np.float32))
