"""False alarms and power of the drift verdict on real reviews.

Each part writes drift-PART.json, so that it can be run alone, and drift.md is made of those that are there.

    python -m benchmarks drift all --reviews FOLDER --prepared FOLDER --base FOLDER
    python -m benchmarks drift cost
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl

from benchmarks import ROOT, STARTER, result_files
from benchmarks.drift import tables
from benchmarks.drift.changes import TEXT_CHANGES
from benchmarks.drift.cost import measure
from benchmarks.drift.estimates import COVERED_ROWS, coverage
from benchmarks.drift.judging import Rate
from benchmarks.drift.out_of_fold import FOLDS, fold_model, read_reviews, score_fold, score_texts
from benchmarks.drift.peers import compare
from benchmarks.drift.population import Shop, as_frame, shop
from benchmarks.drift.quiet import Plan, quiet, summary
from benchmarks.drift.replay.picture import draw
from benchmarks.drift.replay.replay import STORIES, replay
from benchmarks.drift.shifts import detect
from benchmarks.steps import Namespace, StepFailed, option

SHOPS: dict[str, tuple[str, ...]] = {
    "musical instruments": ("musical_instruments",),
    "digital music": ("digital_music",),
    "instruments and albums": ("musical_instruments", "digital_music"),
    "books, films, kitchen": ("blitzer_books", "blitzer_dvd", "blitzer_kitchen", "blitzer_electronics"),
    "electronics, same products": ("electronics",),
}
SHIFTED, OTHER, LARGE, BALANCED, SEGMENTED = SHOPS
"""The first is changed in every way; the balanced one, with as many negative reviews as positive ones, has room for
more. The segmented one has ten products: too few to divide, but each has enough reviews for a segment."""
QUIET: dict[str, tuple[Plan, ...]] = {
    SHIFTED: (Plan((500, 1_000, 2_000), splits=68, sequences=3), Plan((5_000,), splits=68, sequences=1)),
    LARGE: (Plan((5_000,), splits=68, sequences=3),),
    BALANCED: (Plan((500, 1_000, 2_000), splits=68, sequences=3),),
    OTHER: (Plan((500, 1_000, 2_000), splits=34, sequences=2),),
    SEGMENTED: (Plan((1_000, 2_000), splits=34, sequences=2, same_products=True),),
}
"""What is tried of each shop; 5,000 rows of musical instruments are more than half of what there is (bootstrap)."""
_QUIET_SEED = 1  # the alphas of `drift_jobs.judging.levels` were chosen on the divisions of seed 0
_SEED = 0
_WINDOWS, _SPLITS = 50, 10  # of each shift, strength and size; of the peers
_COVERED_WINDOWS, _COVERED_SPLITS = 100, 20

_PARTS = ("quiet", "shifts", "estimates", "peers", "cost", "replay")
OPTIONS = (
    option("part", choices=["all", *_PARTS]),
    option("--reviews", type=Path, metavar="FOLDER", help="parquet files: text, rating, product_id, timestamp"),
    option("--prepared", type=Path, metavar="FOLDER", help="what `sentiment-train prepare` made of them"),
    option("--base", type=Path, metavar="FOLDER", help="the DistilBERT that both fold models start from"),
    option("--other-model", type=Path, default=STARTER, metavar="FOLDER", help="served by mistake"),
    option("--nannyml-python", type=Path, help="of an environment with nannyml==0.13.1, for the peers"),
    option("--work", type=Path, default=ROOT / "benchmarks" / ".models" / "drift", metavar="FOLDER"),
    option("--shop", choices=list(SHOPS), help="quiet, shifts: this one alone; the others' figures are kept"),
    option("--workers", type=int, default=2, help="default 2"),
)


def run(options: Namespace) -> None:
    """Run one part, or all of them in their order."""
    _check(options)
    parts: dict[str, Callable[[Namespace], dict[str, object]]] = {
        "quiet": _quiet,
        "shifts": _shifts,
        "estimates": _estimates,
        "peers": _peers,
        "cost": _cost,
        "replay": _replay,
    }
    for name in _PARTS if options.part == "all" else [options.part]:
        before = result_files.read(options.out, f"drift-{name}") if options.shop else {}
        result_files.write(options.out, f"drift-{name}", _joined(before, parts[name](options)), default=_plain)
        print(f"wrote {options.out / f'drift-{name}.json'}")
    tables.write(options.out)


def _check(options: Namespace) -> None:
    """Refuse options that do not go together."""
    measured = {"quiet": QUIET, "shifts": (SHIFTED, BALANCED)}.get(options.part, ())
    if options.shop and options.shop not in measured:
        raise StepFailed(f"expected --shop with quiet or shifts, and one that they measure, found {options.shop!r}")
    if options.part != "cost" and not (options.reviews and options.prepared and options.base):
        raise StepFailed("expected --reviews, --prepared and --base; only cost does without")


def _joined(before: dict[str, Any], result: dict[str, object]) -> dict[str, object]:
    """Return the result with the shops that were measured before and are not in it."""
    shops = result.get("shops")
    return {**result, "shops": {**before.get("shops", {}), **shops}} if isinstance(shops, dict) else result


def _quiet(options: Namespace) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {}
    for name in [options.shop] if options.shop else QUIET:
        each = _shop(options, name)
        print(f"quiet windows of {name}: {len(each.frame)} reviews", flush=True)
        for plan in QUIET[name]:
            for size, nights in quiet(each, plan, _QUIET_SEED, options.workers).items():
                row = {"splits": plan.splits, "sequences": plan.sequences, **summary(nights)}
                found.setdefault(name, {})[str(size)] = row
                print(name, size, row, flush=True)
    return {"seed": _QUIET_SEED, "shops": found}


def _shifts(options: Namespace) -> dict[str, object]:
    moved: dict[str, Callable[[], tuple[Shop | None, dict[str, pd.DataFrame]]]] = {
        SHIFTED: lambda: (_shop(options, OTHER), _changed(options)),
        BALANCED: lambda: (None, {}),
    }
    found: dict[str, list[dict[str, object]]] = {}
    for name in [options.shop] if options.shop else moved:
        other, changed = moved[name]()
        for size in (1_000, 5_000):
            rows = detect(
                _shop(options, name),
                other,
                changed,
                size,
                windows=_WINDOWS,
                splits=_SPLITS,
                seed=_SEED,
                workers=options.workers,
            )
            for row in rows:
                print({"shop": name} | {key: str(value) for key, value in row.items()}, flush=True)
            found.setdefault(name, []).extend(rows)
    return {"seed": _SEED, "other": OTHER, "shops": found}


def _peers(options: Namespace) -> dict[str, object]:
    rows = [
        row
        for size in (1_000, 5_000)
        for row in compare(
            _shop(options, SHIFTED),
            _shop(options, OTHER),
            _changed(options),
            size,
            windows=_WINDOWS,
            splits=_SPLITS,
            seed=_SEED,
            python=options.nannyml_python,
        )
    ]
    return {"shop": SHIFTED, "rows": rows}


def _estimates(options: Namespace) -> dict[str, object]:
    rows = coverage(
        _shop(options, SHIFTED),
        _shop(options, OTHER),
        _changed(options),
        windows=_COVERED_WINDOWS,
        splits=_COVERED_SPLITS,
        seed=_SEED,
        workers=options.workers,
    )
    for row in rows:
        print({name: str(value) for name, value in row.items()}, flush=True)
    return {"shop": SHIFTED, "size": COVERED_ROWS, "rows": rows}


def _cost(options: Namespace) -> dict[str, object]:
    return {"nights": measure(options.other_model)}


def _replay(options: Namespace) -> dict[str, object]:
    reviews = read_reviews(options.reviews)
    fold = (
        reviews.filter(pl.col("category").is_in([story.category for story in STORIES.values()]))["fold"].unique().item()
    )
    bundle = fold_model(reviews, 1 - fold, base=options.base, record=options.prepared, work=options.work)
    result = replay(reviews, bundle)
    draw(result, options.out / "drift-replay.png")
    return result


def _shop(options: Namespace, name: str) -> Shop:
    reviews = read_reviews(options.reviews)
    return shop(_scored(options, reviews, _fold(name)), SHOPS[name])


def _fold(shop: str) -> int:
    return next(number for number, categories in enumerate(FOLDS) if set(SHOPS[shop]) <= set(categories))


def _scored(options: Namespace, reviews: pl.DataFrame, fold: int) -> pl.DataFrame:
    return score_fold(reviews, fold, base=options.base, record=options.prepared, work=options.work)


def _changed(options: Namespace) -> dict[str, pd.DataFrame]:
    """Return the shifted shop's reviews after each change of texts, scored again; kept in the work folder."""
    reviews = read_reviews(options.reviews)
    rows = reviews.filter(pl.col("category").is_in(list(SHOPS[SHIFTED])))
    bundle = fold_model(reviews, 1 - _fold(SHIFTED), base=options.base, record=options.prepared, work=options.work)
    found = {}
    for name, change in TEXT_CHANGES.items():
        random = np.random.default_rng(_SEED)
        texts = [change(text, random).strip() or "empty" for text in rows["text"]]
        found[name] = _scored_again(options.work, name, rows, texts, bundle)
    found["another model"] = _scored_again(
        options.work, "another model", rows, rows["text"].to_list(), options.other_model
    )
    return found


def _scored_again(work: Path, name: str, rows: pl.DataFrame, texts: Sequence[str], bundle: Path) -> pd.DataFrame:
    path = work / f"changed-{name.replace(' ', '-')}.parquet"
    if not path.exists():
        print(f"scoring {len(texts)} texts: {name}", flush=True)
        scored = pl.concat([rows.drop("text"), score_texts(bundle, texts)], how="horizontal")
        scored.write_parquet(path)
    return as_frame(pl.read_parquet(path)).set_index("review", drop=False)


def _plain(value: object) -> object:
    if isinstance(value, Rate):
        return {"hits": value.hits, "windows": value.windows, "share": value.share, "bounds": value.bounds}
    return msgspec.to_builtins(value)
