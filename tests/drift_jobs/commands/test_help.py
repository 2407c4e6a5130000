"""What the commands say of themselves, and without settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drift_jobs.__main__ import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WITHOUT_PACKAGES = """
import sys
class Absent:
    names = {"apscheduler", "evidently", "httpx", "pandas", "pyarrow", "scipy", "sklearn", "tenacity"}
    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from drift_jobs.__main__ import main
main(sys.argv[1:])
"""
CALLS = {
    "run": ["--start", "2026-11-21"],
    "nightly": [],
    "schedule": [],
    "backfill": ["--from", "2026-11-21", "--to", "2026-11-21"],
    "list": [],
    "show": ["0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e"],
    "baseline": ["show"],
    "calibrate": [],
}


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends with commands to copy and the meaning of the exit codes."""
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "drift-jobs nightly --timezone Europe/Paris" in printed
    assert "Exit codes: 0 none or watch, 1 drift, 2" in printed


@pytest.mark.parametrize("command", ["run", "nightly", "schedule", "backfill", "list", "show", "baseline", "calibrate"])
def test_each_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`COMMAND --help` ends with commands to copy."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"  drift-jobs {command}" in capsys.readouterr().out.split("Examples:")[1]


def test_settings_that_contradict_end_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a database the message names both variables."""
    for name in ("SENTIMENT_DATABASE", "SENTIMENT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["list"])
    assert stopped.value.code == 2
    assert "SENTIMENT_DATABASE_URL" in capsys.readouterr().err


def _without_packages(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where only the service's dependencies are installed, as after `make serve`."""
    environment = os.environ | {"SENTIMENT_DATABASE_URL": "postgresql://shop@127.0.0.1:1/shop"}
    command = [sys.executable, "-c", WITHOUT_PACKAGES, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["baseline", "accept", "--help"]])
def test_help_needs_none_of_the_jobs_packages(arguments: list[str]) -> None:
    """After `make serve` alone each command says what it does."""
    finished = _without_packages(*arguments)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "Examples:" in finished.stdout


@pytest.mark.parametrize("command", CALLS)
def test_a_missing_package_is_named_with_what_installs_it(command: str) -> None:
    """A command that needs a package that is not installed ends with one line and 2."""
    finished = _without_packages(command, *CALLS[command])
    assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (2, "", 1)
    assert finished.stderr.startswith("drift-jobs: expected the package ")
    assert finished.stderr.endswith(
        ", found none; run `make install-drift`, or `pip install 'sentiment-service[drift]'`\n"
    )
