"""The libraries of the extra `files`. Readers take them from here, so that what is missing is told in one way."""

from sentiment_api.errors import PackageMissing

try:
    import polars as pl
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401 - a reader uses it as `pa.parquet`
except ModuleNotFoundError as error:
    raise PackageMissing(
        f"reading files of reviews needs {error.name}, which is not installed: "
        "pip install 'sentiment-service[files]', or make install-train"
    ) from error

__all__ = ["pa", "pl"]
