"""`GET /model`: what clients are told of the model that serves."""

import json
from pathlib import Path

from litestar import Litestar
from litestar.testing import TestClient


def test_clients_are_told_of_a_models_training_in_few_words(client: TestClient[Litestar], starter: Path) -> None:
    """When and from what it was made, and its main figures; not the commands, tables and curves of the record."""
    record = json.loads((starter / "bundle.json").read_text())["training"]
    told = client.get("/model").json()["training"]
    assert set(told) == {"created_at", "base", "data_hash", "rows", "metrics"}
    assert told["rows"] == record["rows"]
    assert set(told["metrics"]) == {"all", "unseen", "category_mean"}
    assert told["metrics"]["all"]["accuracy"] == record["metrics"]["all"]["accuracy"]
