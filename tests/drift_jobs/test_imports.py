"""Nothing of the drift job happens at import."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
IMPORT_ALL = """
import importlib, pkgutil, drift_jobs
for module in pkgutil.walk_packages(drift_jobs.__path__, "drift_jobs."):
    importlib.import_module(module.name)
    print(module.name)
"""


def test_every_module_imports_with_an_empty_environment() -> None:
    """No module needs a setting, or anything else around it, to be imported."""
    finished = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], env={}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert {"drift_jobs.__main__", "drift_jobs.judging.verdict", "drift_jobs.reporting.evidently_report"} <= set(
        finished.stdout.split()
    )
