"""Erasing: takes out of this process's files what was erased in Postgres, and what is too old to be kept.

Which records are erased is decided by tombstones (`database.erasures`); when this runs, by `maintenance`.
"""

import contextlib
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.erasures import find_tombstones, write_tombstones
from sentiment_api.files import folder_lock, in_file_thread
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.spool_folders import SET_ASIDE, set_aside_files


class _Subject(msgspec.Struct):
    """What every release's records say of whom they are about."""

    prediction_id: UUID
    product_id: str | None = None


class _SetAside(msgspec.Struct):
    """The same of a record set aside."""

    record: _Subject


_decoder = msgspec.msgpack.Decoder(_Subject)


async def erase_from_files(spool: Spool, engine: AsyncEngine, executor: Executor, oldest_kept_id: UUID) -> int:
    """Remove erased records, and those before `oldest_kept_id`, from all files of the spool; return how many.

    The shipper must hold no records meanwhile: it would put them back.

    Raises:
        FilesFailed: a file cannot be read or written.
        DATABASE_ERRORS: Postgres does not say what was erased.
    """
    await in_file_thread(executor, spool.seal)
    files = [*spool.segments(), *spool.newer_files(), *set_aside_files(spool.folder)]
    removed = 0
    for path in files:
        found = await in_file_thread(executor, partial(_subjects, path))
        gone = await _erased(engine, [subject for subject in found if subject is not None], oldest_kept_id)
        if gone:
            await in_file_thread(executor, partial(_remove, spool, path, gone))
        removed += len(gone)
    return removed


async def _erased(engine: AsyncEngine, subjects: list[_Subject], oldest_kept_id: UUID) -> set[UUID]:
    """Return which of the predictions were erased, or are too old."""
    # Postgres holds no NUL: no tombstone names such a product, and it would refuse the question.
    products = {each.product_id for each in subjects if each.product_id is not None and "\0" not in each.product_id}
    async with engine.connect() as connection:
        tombstones = await find_tombstones(connection, {each.prediction_id for each in subjects}, products)
    erased = {each.prediction_id for each in subjects if tombstones.cover(each.prediction_id, each.product_id)}
    if erased:
        # Before their records go: they are all that tells of which product they are.
        await write_tombstones(engine, erased)
    return erased | {each.prediction_id for each in subjects if each.prediction_id < oldest_kept_id}


def _subjects(path: Path) -> list[_Subject | None]:
    """Return whom the records of a file are about, None for those that do not tell."""
    if path.parent.name == SET_ASIDE:
        # Also where the record in it is not as it must be: somebody may have been mending it.
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            return [msgspec.json.decode(path.read_bytes(), type=_SetAside).record]
        return []
    with contextlib.suppress(FileNotFoundError):  # it gave way to newer records
        return [_subject(payload) for payload in read_segment(path).payloads]
    return []


def _subject(payload: bytes) -> _Subject | None:
    try:
        return _decoder.decode(payload)
    except msgspec.DecodeError:
        return None


def _remove(spool: Spool, path: Path, prediction_ids: set[UUID]) -> None:
    if path.parent.name == SET_ASIDE:
        with folder_lock(path.parent):
            path.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError):  # it gave way to newer records
        payloads = read_segment(path).payloads
        found = map(_subject, payloads)
        kept = [each for each, subject in zip(payloads, found, strict=True) if _stays(subject, prediction_ids)]
        spool.rewrite(path, kept)


def _stays(subject: _Subject | None, gone: set[UUID]) -> bool:
    return subject is None or subject.prediction_id not in gone
