"""What an operator may choose about the drift job, read from `SENTIMENT_...` beside the database's settings."""

from pathlib import Path

from pydantic import Field

from sentiment_api.settings import DatabaseSettings


class DriftSettings(DatabaseSettings):
    """The settings of every `drift-jobs` command; options go before the environment."""

    model: Path = Path("models/starter")
    """The bundle that serves: its labels, its rating map and, by default, its reference."""
    timezone: str = "UTC"
    """The shop's time zone, by its IANA name: its days are the nightly windows."""
    drift_min_rows: int = Field(default=500, ge=1)
    """Windows with fewer rows are described but not judged. Below 500, distances of equal samples are often large."""
