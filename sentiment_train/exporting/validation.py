"""What the validation part decides of a bundle: its temperature, its projection, and whether int8 is close enough.

int8 is compared with the weights of the bundle: those fitted, rounded to fp16, computing in fp32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA

from sentiment_api.model.bundle import Projection
from sentiment_train.errors import UnusableCheckpoint

PROJECTED_DIMENSIONS = 32
MIN_MISTAKES = 20
"""On a validation part with fewer mistakes than these the best temperature is near 0, and every score would be 1."""
MAX_DISAGREEMENT = 0.01
"""Share of validation texts that int8 and fp32 may give different labels; one text may differ in any case."""
MAX_ACCURACY_LOSS = 0.005
"""Of int8 against fp32 on the validation part; one row may be lost in any case."""
_REMEDY = "int8 changes labels of which the model is unsure; fit it with more --epochs or on more ratings"


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


def int8_parity(int8: NDArray[np.float64], fp32: NDArray[np.float64], truth: NDArray[np.int64]) -> dict[str, Any]:
    """Return how two sets of probabilities `(n, n_labels)` agree, `truth` being the `(n,)` right labels.

    `fp32` is what the bundle's fp16 weights give when they compute in fp32. Keys: texts; agreement, the share with the
    same label; mean_distance and max_distance of a label's probability; accuracy of int8 and of fp32.

    Raises:
        UnusableCheckpoint: they agree on too few texts, or int8 is less accurate.
    """
    distances = np.abs(int8 - fp32).max(axis=1)
    right = {name: each.argmax(axis=1) == truth for name, each in (("int8", int8), ("fp32", fp32))}
    agreement = float(np.mean(int8.argmax(axis=1) == fp32.argmax(axis=1)))
    differing = int(np.sum(int8.argmax(axis=1) != fp32.argmax(axis=1)))
    if differing > 1 and differing / len(truth) > MAX_DISAGREEMENT:
        raise UnusableCheckpoint(
            f"expected int8 and fp32 to agree on {1 - MAX_DISAGREEMENT:.0%} of the validation texts, or on all "
            f"but one, found {agreement:.1%} of {len(truth)}: {_REMEDY}"
        )
    lost_rows = int(right["fp32"].sum()) - int(right["int8"].sum())
    if lost_rows > max(1.0, MAX_ACCURACY_LOSS * len(truth)):
        raise UnusableCheckpoint(
            f"expected int8 to lose at most {MAX_ACCURACY_LOSS:.1%} of accuracy against fp32 on the validation texts, "
            f"found {lost_rows / len(truth):.2%}: {_REMEDY}"
        )
    return {
        "texts": len(truth),
        "agreement": agreement,
        "mean_distance": float(distances.mean()),
        "max_distance": float(distances.max()),
        "accuracy_int8": float(right["int8"].mean()),
        "accuracy_fp32": float(right["fp32"].mean()),
    }
