"""Rows of a database: the result of a query, copied to a temporary parquet file, since tables are read twice."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.libraries import pa
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.inputs import Input, plain_input

_ROWS_AT_ONCE = 10_000
_EXAMPLE = '--query "select body as text, stars as rating from reviews"'


def is_database(source: str) -> bool:
    """Return whether the source is the URL of a database."""
    try:
        return "://" in source and bool(make_url(source).drivername)
    except ArgumentError:
        return False
    except ValueError:  # Its port is no number.
        return True


@contextmanager
def query_result(source: str, options: ReadOptions) -> Iterator[Input]:
    """Yield the rows that `options.query` gives in the database at the URL `source`, as a parquet file.

    Raises:
        ReviewFileInvalid: there is no query, or the database does not answer it. No message holds the password.
    """
    try:
        url = _driven(make_url(source))
    except ValueError as error:
        raise ReviewFileInvalid("expected a number as the port in the URL of the database, found none") from error
    name = url.database or url.drivername
    if options.query is None:
        raise ReviewFileInvalid(f"expected a query for the database {name}, found none; give one, such as {_EXAMPLE}")
    with tempfile.TemporaryDirectory(prefix="reviews-") as folder:
        path = Path(folder) / "result.parquet"
        try:
            _copy(url, options.query, path)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", error)).strip().splitlines()[0][:200]
            raise ReviewFileInvalid(f"cannot read the database {name}: {reason}") from error
        except ModuleNotFoundError as error:
            raise ReviewFileInvalid(f"reading {url.drivername} needs {error.name}, which is not installed") from error
        yield plain_input(path, f"query on {name}")


def _driven(url: URL) -> URL:
    """Return the URL with psycopg as the driver of Postgres, which is the one that is installed."""
    is_postgres = url.get_backend_name() in {"postgresql", "postgres"}
    return url.set(drivername="postgresql+psycopg") if is_postgres else url


def _copy(url: URL, query: str, path: Path) -> None:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            read_only = {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("pragma query_only = on")
            streamed = connection.execution_options(stream_results=True, yield_per=_ROWS_AT_ONCE, **read_only)
            result = streamed.execute(sa.text(query.replace(":", "\\:")))  # No colon is a parameter.
            _write(_distinct(list(result.keys())), result.partitions(_ROWS_AT_ONCE), path)
    finally:
        engine.dispose()


def _distinct(names: list[str]) -> list[str]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ReviewFileInvalid(f"the query gives {', '.join(twice)} twice; name each column once, with `as`")
    return names


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever a database holds
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _write(names: list[str], batches: Iterator[Sequence[Any]], path: Path) -> None:
    schema = pa.schema([(name, pa.string()) for name in names])
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in batches:
            columns = zip(*rows, strict=True) if rows else [()] * len(names)
            frame = {name: [_text(value) for value in column] for name, column in zip(names, columns, strict=True)}
            writer.write_table(pa.table(frame, schema=schema))
