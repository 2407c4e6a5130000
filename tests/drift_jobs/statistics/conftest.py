"""Reviews that come in clusters."""

import numpy as np
import pytest

from drift_jobs.statistics.samples import Sample
from tests.protocols import Shop


@pytest.fixture(scope="session")
def shop() -> Shop:
    """Draws `n` reviews of products of unequal popularity, 15 % of whose variance is the product's."""

    def draw(random: np.random.Generator, n: int, products: int, dim: int) -> Sample:
        popularity = 1 / np.arange(1, products + 1) ** 0.8
        product = random.choice(products, n, p=popularity / popularity.sum())
        of_product = random.normal(size=(products, dim)) * np.sqrt(0.15)
        values = of_product[product] + random.normal(size=(n, dim)) * np.sqrt(0.85)
        return Sample(values, np.unique(product, return_inverse=True)[1])

    return draw
