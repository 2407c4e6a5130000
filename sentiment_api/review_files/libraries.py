"""The libraries of the extra `files`. Readers take them from here, so that what is missing is told in one way."""

from sentiment_api.errors import PackageMissing

try:
    import dateparser
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet  # noqa: F401 - a reader uses it as `pa.parquet`
    import python_calamine as calamine
    import zstandard
    from dateparser.languages.loader import default_loader
    from dateparser.timezone_parser import pop_tz_offset_from_string
except ModuleNotFoundError as error:
    raise PackageMissing(
        f"reading files of reviews needs {error.name}, which is not installed: "
        "pip install 'sentiment-service[files]', or make install-train"
    ) from error

__all__ = ["calamine", "dateparser", "default_loader", "pa", "pl", "pop_tz_offset_from_string", "zstandard"]
