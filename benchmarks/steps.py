"""The one way to run a benchmark: its options, parsed, are handed to its `run`.

A step is a module with three names:

- its docstring, which `--help` shows whole;
- `OPTIONS`, a sequence of `Option`s, those below where they fit, so that one option means the same everywhere;
- `run(options)`, which measures, writes with `result_files.write`, and returns the exit code, or None for 0.

It is listed, with its folder, in `__main__`.
"""

import argparse
import importlib
import signal
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import ROOT, STARTER

__all__ = ["MODEL", "REVIEWS", "Namespace", "Option", "Options", "StepFailed", "option", "rounds", "run", "seconds"]

RESULTS = ROOT / "benchmarks" / "results"


class StepFailed(Exception):
    """The benchmark cannot go on; the message is for whoever runs it: what was expected, what was found, the remedy."""


@dataclass(frozen=True)
class Option:
    """One option of a step: the arguments of `argparse`'s `add_argument`."""

    names: tuple[str, ...]
    settings: dict[str, Any]


Options = Sequence[Option]


def option(*names: str, **settings: Any) -> Option:  # noqa: ANN401 - argparse's own keyword arguments
    """Return an option of one step alone."""
    return Option(names, settings)


def rounds(default: int) -> Option:
    """Return `--rounds`."""
    return option("--rounds", type=int, default=default, help=f"figures are their medians (default {default})")


def seconds(default: float, of: str) -> Option:
    """Return `--seconds`: how long something is measured."""
    return option("--seconds", type=type(default), default=default, help=f"{of} (default {default:g})")


REVIEWS = option(
    "--reviews",
    type=Path,
    nargs="+",
    default=[],
    metavar="FILE",
    help="parquet files with a column text (default: generated texts)",
)
MODEL = option("--model", type=Path, default=STARTER, metavar="FOLDER", help="a bundle (default the starter)")
_OUT = option(
    *("--out", "--results"),
    type=Path,
    default=RESULTS,
    metavar="FOLDER",
    help="where to write the results (default benchmarks/results)",
)


def run(name: str, module: str, arguments: Sequence[str]) -> int:
    """Parse the arguments, run the step and return its exit code.

    SIGTERM ends it as Ctrl-C does, so that whatever it has started is stopped then, too.

    Raises:
        SystemExit: with the message, when the step fails with a `StepFailed`, or the arguments are wrong.
    """
    step = importlib.import_module(module)
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=step.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for each in (*step.OPTIONS, _OUT):
        parser.add_argument(*each.names, **each.settings)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return step.run(options) or 0
    except StepFailed as failure:
        raise SystemExit(str(failure)) from failure
