"""The one way to run a benchmark, and the commands that the pages quote."""

import importlib.util
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import ROOT, __main__, steps

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.py")]
STEP = '''"""Counts."""

from benchmarks.steps import StepFailed, option, rounds

OPTIONS = (rounds(3), option("--fail", action="store_true"))


def run(options):
    if options.fail:
        raise StepFailed("expected sheep, found none")
    print(vars(options))
    return 1
'''


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of a step that prints its options."""
    (tmp_path / "step_that_counts.py").write_text(STEP)
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield "step_that_counts"
    signal.signal(signal.SIGTERM, before)


def test_a_step_gets_its_options_and_gives_the_exit_code(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that are not given have their defaults; `--results` is another word for `--out`."""
    assert steps.run("counted", step, ["--results", "here"]) == 1
    assert capsys.readouterr().out == f"{ {'rounds': 3, 'fail': False, 'out': Path('here')} }\n"


def test_a_step_that_fails_ends_in_its_message(step: str) -> None:
    """There is no traceback."""
    with pytest.raises(SystemExit) as ended:
        steps.run("counted", step, ["--fail"])
    assert ended.value.code == "expected sheep, found none"


def test_sigterm_ends_a_step_as_ctrl_c_does(step: str) -> None:
    """So whatever it has started is stopped by its own `finally`."""
    steps.run("counted", step, [])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_help_is_the_docstring_with_the_options(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each option says what it is when it is not given."""
    with pytest.raises(SystemExit):
        steps.run("counted", step, ["--help"])
    told = capsys.readouterr().out
    assert told.startswith("usage: python -m benchmarks counted ")
    assert "Counts." in told
    assert "default 3" in told


def test_every_step_that_a_page_quotes_is_there() -> None:
    """`python -m benchmarks NAME` in pages and docstrings names a step, whose module is where the list says."""
    quoted = {name for page in PAGES for name in re.findall(r"python -m benchmarks (\w+)", page.read_text())}
    assert quoted - {"NAME"} <= __main__.STEPS.keys()
    for name, (folder, _) in __main__.STEPS.items():
        assert importlib.util.find_spec(f"benchmarks.{folder}.{name}") is not None


def test_without_a_name_all_steps_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By folder, each with what it shows."""
    monkeypatch.setattr(sys, "argv", ["benchmarks", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    listed = re.findall(r"^  (\w+) ", str(ended.value), re.MULTILINE)
    assert listed == list(__main__.STEPS)
