"""The steps of an export on logits whose right answers are known."""

import numpy as np
import pytest

from sentiment_train.calibration import fit_temperature


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    """Labels drawn from softmax(logits / temperature) give the temperature back within 5 %."""
    random = np.random.default_rng(11)
    logits = random.normal(0.0, 3.0, (20_000, 3)).astype(np.float32)
    noise = random.gumbel(size=logits.shape)  # argmax(x + Gumbel noise) is a draw from softmax(x)
    truth = (logits / temperature + noise).argmax(axis=1)
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_of_a_model_that_is_never_wrong_is_bounded() -> None:
    """Without a single error the best temperature would be 0; it sharpens, and stays above exp(-3)."""
    logits = np.array([[4.0, 0.0], [0.0, 4.0]], dtype=np.float32)
    assert np.exp(-3) <= fit_temperature(logits, np.array([0, 1])) < 0.2
