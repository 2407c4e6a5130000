"""What a window is compared with: the bundle's held-out rows, an own baseline, or another window of the log."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
from msgspec.structs import asdict, replace
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.errors import ReferenceUnavailable
from drift_jobs.judging.frames import label_set
from drift_jobs.settings import AUTO
from drift_jobs.storage.baselines import Baseline, find_baseline
from drift_jobs.storage.bundle_reference import bundle_frame
from drift_jobs.storage.counts import input_state
from drift_jobs.storage.first_traffic import baseline_for, was_dropped
from drift_jobs.storage.predictions import labels_fit, prediction_frame, read_predictions
from drift_jobs.windows import Window, parse_window
from sentiment_api.model.bundle import REFERENCE, Bundle

BUNDLE: Final = "bundle"
BASELINE: Final = "baseline"
CAP: Final = 20_000
"""Rows of a reference window; with more, tests take longer and see hardly more: a night has fewer."""
_WINDOW = "window:"


class WantedReference(msgspec.Struct, frozen=True):
    """A reference as an operator gives it."""

    kind: Literal["auto", "bundle", "baseline", "window"]
    window: Window | None = None
    """Of the kind `window`, and of no other."""

    def __str__(self) -> str:
        """Return it as `parse_reference` reads it."""
        return self.kind if self.window is None else f"{_WINDOW}{self.window}"


class ChosenReference(msgspec.Struct, frozen=True, kw_only=True):
    """What a model version is compared with. Its rows are not read yet."""

    name: str
    """As runs are stored: `bundle`, `auto:bundle`, `baseline:START..END`, `window:START..END`; `baseline` where there
    is none."""
    state: str = ""
    """Changes when the rows of the reference do, or feedback for them."""
    alarming: bool = True
    """False for `auto:bundle`: a shop's reviews differ from training data, and that is no alarm."""
    note: str = ""
    """Of `auto:bundle`, one line: what is missing to a baseline."""
    lacking: str = ""
    """One line: why there is nothing to compare with. Empty when there is something."""
    window: Window | None = None
    """None for the bundle."""


class LoadedReference(ChosenReference, frozen=True, kw_only=True):
    """A chosen reference with its rows."""

    frame: pd.DataFrame | None
    """None exactly when `lacking` says why."""


def parse_reference(written: str, zone: ZoneInfo) -> WantedReference:
    """Return what `auto`, `bundle`, `baseline` or `window:START..END` means.

    Raises:
        ReferenceUnavailable: it is written differently.
        WindowInvalid: the window cannot be read.
    """
    if written in (AUTO, BUNDLE, BASELINE):
        return msgspec.convert({"kind": written}, WantedReference)
    if not written.startswith(_WINDOW):
        raise ReferenceUnavailable(
            f"expected the reference {AUTO}, {BUNDLE}, {BASELINE} or {_WINDOW}START..END, found {written!r}"
        )
    return WantedReference("window", parse_window(written.removeprefix(_WINDOW), zone))


async def choose_reference(
    connection: AsyncConnection,
    bundle: Bundle,
    version: str,
    written: WantedReference,
    judged: Window,
    *,
    zone: ZoneInfo,
) -> ChosenReference:
    """Return what `version` is compared with in the window `judged`, without reading its rows.

    `auto` stores the version's first traffic as its baseline when its time has come; commit is the caller's. What is
    missing for one version is told in `lacking`, so that the others are judged.
    """
    if written.kind == "auto":
        return await _auto(connection, bundle, version, judged, zone)
    if written.kind == "bundle":
        return _of_bundle(bundle, version, BUNDLE)
    if written.window is not None:
        return await _of_window(connection, version, str(written), written.window, judged)
    found = await find_baseline(connection, version, judged.start)
    return _no_baseline(version, judged) if found is None else await _of_baseline(connection, version, found, judged)


async def load_reference(
    connection: AsyncConnection,
    bundle: Bundle,
    version: str,
    chosen: ChosenReference,
    *,
    segment_keys: Sequence[str] = (),
    cap: int = CAP,
) -> LoadedReference:
    """Return a chosen reference with its rows, about `cap` of a window's; or with the reason why there are none."""
    if chosen.lacking:
        return LoadedReference(**asdict(chosen), frame=None)
    try:
        if chosen.window is None:
            return LoadedReference(**asdict(chosen), frame=bundle_frame(bundle))
        rows = await read_predictions(connection, chosen.window, cap=cap, version=version, segment_keys=segment_keys)
        return LoadedReference(**asdict(chosen), frame=_window_frame(rows.table, bundle, version, chosen))
    except ReferenceUnavailable as error:
        return LoadedReference(**asdict(replace(chosen, lacking=str(error))), frame=None)


async def _auto(
    connection: AsyncConnection, bundle: Bundle, version: str, judged: Window, zone: ZoneInfo
) -> ChosenReference:
    found = await baseline_for(connection, version, judged.start, zone, dt.datetime.now(dt.UTC))
    if isinstance(found, Baseline):
        return await _of_baseline(connection, version, found, judged)
    chosen = _of_bundle(bundle, version, f"{AUTO}:{BUNDLE}")
    return replace(chosen, alarming=False, note=f"no own baseline yet: expected {found}")


def _of_bundle(bundle: Bundle, version: str, name: str) -> ChosenReference:
    if version == bundle.manifest.version:
        return ChosenReference(name=name, state=bundle.manifest.files.get(REFERENCE, ""))
    return ChosenReference(
        name=name,
        lacking=f"expected a reference of model version {version}, found {bundle.manifest.version}; give its --model, "
        f"or --reference {_WINDOW}START..END",
    )


async def _of_baseline(connection: AsyncConnection, version: str, found: Baseline, judged: Window) -> ChosenReference:
    return await _of_window(connection, version, f"{BASELINE}:{found.window}", found.window, judged)


async def _of_window(
    connection: AsyncConnection, version: str, name: str, window: Window, judged: Window
) -> ChosenReference:
    lacking = ""
    if window.start < judged.end and judged.start < window.end:
        lacking = f"expected a reference that does not overlap {judged}, found {window}; give another --reference"
    elif await was_dropped(connection, window):
        lacking = (
            f"expected all rows of {window}, found that the oldest were dropped for their age; give or accept a later "
            "window, or raise SENTIMENT_KEEP"
        )
    state = "" if lacking else await input_state(connection, window, version)
    return ChosenReference(name=name, state=state, lacking=lacking, window=window)


def _no_baseline(version: str, judged: Window) -> ChosenReference:
    lacking = (
        f"expected a baseline of model version {version} that ends by {judged.start:%Y-%m-%dT%H:%MZ}, "
        "found none; accept one with `drift-jobs baseline accept START..END`"
    )
    return ChosenReference(name=BASELINE, lacking=lacking)


def _window_frame(rows: pd.DataFrame, bundle: Bundle, version: str, chosen: ChosenReference) -> pd.DataFrame:
    labels = label_set(bundle.manifest)
    if rows.empty:
        raise ReferenceUnavailable(
            f"expected rows of model version {version} in {chosen.window}, found none; give another --reference"
        )
    if not labels_fit(rows, labels):
        raise ReferenceUnavailable(
            f"expected the labels {', '.join(labels.names)}, found others of model version {version}; give its --model"
        )
    return prediction_frame(rows, bundle.manifest)
