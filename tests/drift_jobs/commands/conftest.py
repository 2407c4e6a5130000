"""What the commands are given: the settings of a shop."""

import pytest

from sentiment_api.model.bundle import Bundle
from sentiment_api.settings import DatabaseSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_settings: DatabaseSettings, bundle: Bundle) -> None:
    """The settings of a shop, as a container would be given them."""
    assert database_settings.database_url is not None
    monkeypatch.delenv("SENTIMENT_DATABASE", raising=False)
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", database_settings.database_url.get_secret_value())
    monkeypatch.setenv("SENTIMENT_MODEL", str(bundle.folder))
    monkeypatch.setenv("SENTIMENT_DRIFT_MIN_ROWS", "200")
    monkeypatch.setenv("SENTIMENT_DRIFT_QUIET_WINDOWS", "200")
