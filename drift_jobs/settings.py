"""What an operator may choose about the drift job, read from `SENTIMENT_...` beside the database's settings."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from sentiment_api.settings import DatabaseSettings

AUTO: Final = "auto"
"""The reference that is chosen for each window: own traffic as soon as there is enough of it, until then the bundle."""


class DriftSettings(DatabaseSettings):
    """The settings of every `drift-jobs` command; options go before the environment."""

    model: Path = Path("models/starter")
    """The bundle that serves: its labels, its rating map, its golden texts and, by default, its reference."""
    timezone: str = "UTC"
    """The shop's time zone, by its IANA name: its days are the nightly windows."""
    drift_min_rows: int = Field(default=500, ge=1)
    """Windows with fewer rows are described but not judged. Below 500, distances of equal samples are often large."""
    drift_sample: int = Field(default=100_000, ge=1)
    """Of larger windows about so many rows are judged, by a hash of their ids. At least twice `drift_min_rows`."""
    drift_quiet_windows: int = Field(default=400, ge=200)
    """How many quiet windows a calibration draws. With fewer than 200 nothing can be rare enough for drift."""
    drift_segment_keys: Annotated[tuple[str, ...], NoDecode] = ()
    """Keys of the metadata, with commas between them, whose values are segments beside the products."""
    service_url: str | None = None
    """The running service, such as http://127.0.0.1:8000: it is asked the golden texts each night."""
    service_key: SecretStr | None = None
    """An API key with the scope predict, where the service asks for keys."""
    notify_url: SecretStr | None = None
    """Where new alarms are posted as JSON. Such addresses often hold a key, so no message shows it."""
    notify_on: Literal["watch", "drift"] = "drift"
    """The least verdict that is posted."""

    @field_validator("drift_segment_keys", mode="before")
    @classmethod
    def _keys(cls, keys: Any) -> Any:  # noqa: ANN401 - what the environment has
        return [key.strip() for key in keys.split(",") if key.strip()] if isinstance(keys, str) else keys

    @model_validator(mode="after")
    def _sample_is_enough(self) -> Self:
        """Refuse a sample that chance could make too small to be judged: a hash chooses about so many rows."""
        if self.drift_sample < 2 * self.drift_min_rows:
            raise ValueError(
                f"expected a sample of at least twice the {self.drift_min_rows} rows below which nothing is judged, "
                f"found {self.drift_sample}; raise --sample (SENTIMENT_DRIFT_SAMPLE), or lower --min-rows "
                "(SENTIMENT_DRIFT_MIN_ROWS)"
            )
        return self

    @field_validator("service_url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        """Refuse what no request can be sent to, when the job starts and not at night."""
        if url is not None:
            _check_web_address(url)
        return url

    @field_validator("notify_url")
    @classmethod
    def _is_secret_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _check_web_address(url.get_secret_value())
        return url


def _check_web_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message quotes the address, or a part of it
        is_address = False
    if not is_address:
        raise ValueError("expected an address such as http://127.0.0.1:8000")
