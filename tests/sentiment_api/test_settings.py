"""Settings that files hold, as secrets of containers come, and names that are none."""

import re
from pathlib import Path

import pytest

from drift_jobs.settings import DriftSettings
from sentiment_api.database.connection import _connection_info, make_engine, read_timeout_s
from sentiment_api.errors import SettingsInvalid
from sentiment_api.settings import (
    _OF_THE_DRIFT_JOB,
    DatabaseSettings,
    ModelSettings,
    ServiceSettings,
    read_settings,
)
from tests.protocols import Secret

URL = "postgresql://shop@127.0.0.1/shop"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Secret:
    """Write a file and name it in a variable."""
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", URL)

    def write(variable: str, content: str) -> Path:
        file = tmp_path / variable
        file.write_text(content)
        monkeypatch.setenv(variable, str(file))
        return file

    return write


def test_a_password_of_any_characters_comes_from_a_file(secret: Secret) -> None:
    """The password goes to Postgres as the file has it, but for the line's end."""
    secret("SENTIMENT_DATABASE_PASSWORD_FILE", "p@ss/w:rd %41\n")
    info = _connection_info(read_settings(DatabaseSettings))
    found = (info.arguments["user"], info.arguments["password"], info.hosts[0].name)
    assert found == ("shop", "p@ss/w:rd %41", "127.0.0.1")


def test_any_setting_may_come_from_a_file(secret: Secret) -> None:
    """The drift job's key and Apitally's token, whose variable has a name of its own, do."""
    secret("SENTIMENT_SERVICE_KEY_FILE", "sentiment_1_2\n")
    secret("APITALLY_WRITE_TOKEN_FILE", "token\n")
    key = read_settings(DriftSettings).service_key
    token = read_settings(ServiceSettings).apitally_write_token
    assert key is not None
    assert token is not None
    assert (key.get_secret_value(), token.get_secret_value()) == ("sentiment_1_2", "token")


def test_a_variable_and_its_file_are_one_too_many(secret: Secret) -> None:
    """Which of the two is meant cannot be known."""
    secret("SENTIMENT_DATABASE_URL_FILE", "postgresql://other@127.0.0.1/other")
    with pytest.raises(SettingsInvalid, match="expected one of SENTIMENT_DATABASE_URL and SENTIMENT_DATABASE_URL_FILE"):
        read_settings(DatabaseSettings)


def test_a_file_that_is_not_there_is_named(secret: Secret) -> None:
    """The message has the variable and the path."""
    file = secret("SENTIMENT_SERVICE_KEY_FILE", "")
    file.unlink()
    with pytest.raises(SettingsInvalid, match=f"SENTIMENT_SERVICE_KEY_FILE: cannot read {file}: No such file"):
        read_settings(DriftSettings)


def test_an_empty_file_is_refused(secret: Secret) -> None:
    """A secret that was never written must not look like none that was meant."""
    file = secret("SENTIMENT_DATABASE_PASSWORD_FILE", "\n")
    with pytest.raises(SettingsInvalid, match=f"SENTIMENT_DATABASE_PASSWORD_FILE: expected a value in {file}"):
        read_settings(DatabaseSettings)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("SENTIMENT_TEXT_POLCY", "did you mean SENTIMENT_TEXT_POLICY?"),
        ("sentiment_keyes", "did you mean SENTIMENT_KEYS?"),
        ("SENTIMENT_DATABASE_PASWORD_FILE", "did you mean SENTIMENT_DATABASE_PASSWORD_FILE?"),
        ("SENTIMENT_DRIFT_SAMPEL", "did you mean SENTIMENT_DRIFT_SAMPLE?"),
        ("sentiment_text_polcy_file", "did you mean SENTIMENT_TEXT_POLICY_FILE?"),
        ("SENTIMENT_OTEL_SDK_DISABLED", "did you mean OTEL_SDK_DISABLED?"),
        ("SENTIMENT_OTEL_TRACES_EXPORTER", "did you mean OTEL_TRACES_EXPORTER?"),
        ("SENTIMENT_APITALLY_WRITE_TOKEN", "did you mean APITALLY_WRITE_TOKEN?"),
        ("SENTIMENT_HTTP_PORT", "did you mean SENTIMENT_PORT?"),
        ("SENTIMENT_MAX_BATCH_TOKENS", "it is gone, the engine knows what it takes: unset it"),
        ("SENTIMENT_QUARTZ", "unset it"),
    ],
)
def test_a_name_that_is_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, told: str) -> None:
    """Misspelt it would change nothing, and texts be kept that were not to be; its value is not shown."""
    monkeypatch.setenv(variable, "s3cret")
    with pytest.raises(SettingsInvalid, match=rf"^{variable}: there is no such setting; {re.escape(told)}$"):
        read_settings(ModelSettings)


def test_each_program_lets_the_other_ones_settings_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service and its drift job are often given one environment; Kubernetes adds links to services."""
    fields = {**ServiceSettings.model_fields, **DriftSettings.model_fields}
    names = [name for name, field in fields.items() if field.validation_alias is None]
    assert len(names) > 35
    for name in names:
        monkeypatch.setenv(
            f"SENTIMENT_{name.upper()}_FILE", "/nowhere" if name not in ModelSettings.model_fields else ""
        )
    monkeypatch.setenv("SENTIMENT_API_SERVICE_HOST", "10.0.0.7")
    monkeypatch.setenv("SENTIMENT_API_SERVICE_PORT_HTTP", "8000")
    monkeypatch.setenv("SENTIMENT_API_PORT", "tcp://10.0.0.7:8000")
    monkeypatch.setenv("SENTIMENT_API_PORT_8000_TCP_ADDR", "10.0.0.7")
    monkeypatch.setenv("SENTIMENT_NOTHING", "")
    assert read_settings(ModelSettings) == ModelSettings()
    assert {name.upper() for name in _OF_THE_DRIFT_JOB} == {
        name.upper() for name in DriftSettings.model_fields if name not in ServiceSettings.model_fields
    }


def test_names_may_be_in_lower_case(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds are read so, or one of them would be accepted and do nothing."""
    secret("sentiment_text_policy_file", "none")
    monkeypatch.setenv("sentiment_keys", "required")
    settings = read_settings(ServiceSettings)
    assert (settings.text_policy, settings.keys) == ("none", "required")


def test_replies_wait_two_seconds_for_postgres_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are told; a wait that others could not bear is refused."""
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", URL)
    monkeypatch.delenv("SENTIMENT_READ_TIMEOUT_S")
    assert read_timeout_s(make_engine(read_settings(DatabaseSettings))) == 2
    monkeypatch.setenv("SENTIMENT_READ_TIMEOUT_S", "7")
    assert read_timeout_s(make_engine(read_settings(DatabaseSettings))) == 7
    monkeypatch.setenv("SENTIMENT_READ_TIMEOUT_S", "30")
    with pytest.raises(SettingsInvalid, match="SENTIMENT_READ_TIMEOUT_S: Input should be less than or equal to 20"):
        read_settings(DatabaseSettings)
