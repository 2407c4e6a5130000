"""The past of two shops, replayed: what would have been alarmed, when and why, and what was too small to be judged.

    python -m benchmarks drift replay --reviews ... --prepared ... --base ...

Each review (of those with one text only the first) goes through the running service, whose model has seen no review of
these shops, and its stars come as feedback. The shop accepts its first quarters as the baseline, and `drift-jobs run`
judges every later quarter against it. Only the clock is moved; see `traffic`.
"""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.drift.replay.quarters import Jobs, describe, judge_quarter, quarters, reference_of
from benchmarks.drift.replay.traffic import move_clock, read_log, send
from benchmarks.postgres import Database, own_postgres
from sentiment_api.model.bundle import open_bundle


@dataclass(frozen=True)
class Story:
    """A shop whose reviews changed over years."""

    category: str
    """Its file of reviews."""
    first_year: int
    """From which on its quarters are told; what came before belongs to its reference."""


STORIES = {"musical instruments": Story("musical_instruments", 2009), "all beauty": Story("all_beauty", 2013)}


def replay(reviews: pl.DataFrame, bundle: Path) -> dict[str, Any]:
    """Return for each shop its reference and its quarters with their verdicts."""
    shops = {}
    with own_postgres() as postgres:
        for name, story in STORIES.items():
            rows = reviews.filter(pl.col("category") == story.category).sort("timestamp", "review")
            shops[name] = _replayed(name, story, rows, bundle.absolute(), postgres.new_database())
    return {"model": open_bundle(bundle).manifest.version, "shops": shops}


def _replayed(name: str, story: Story, reviews: pl.DataFrame, bundle: Path, database: Database) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        print(f"{name}: sending {len(reviews):,} reviews", flush=True)
        send(reviews, bundle, database, Path(folder))
        asyncio.run(move_clock(database))
        return _judged(name, story, asyncio.run(read_log(database)), Jobs(database.url, bundle, Path(folder)))


def _judged(name: str, story: Story, log: pl.DataFrame, jobs: Jobs) -> dict[str, Any]:
    reference = reference_of(log)
    jobs.accept(reference.start, reference.end)
    found = []
    for quarter in quarters(story.first_year, log["created_at"][-1]):
        found.append(judge_quarter(quarter, log, reference, jobs))
        print(name, quarter, found[-1]["verdict"], found[-1]["reason"], flush=True)
    about = {"start": f"{reference.start:%Y-%m-%d}", "end": f"{reference.end:%Y-%m-%d}"}
    return {"reference": about | describe(log, reference.start, reference.end), "quarters": found}
