"""The libraries of the readers are an extra: where they are missing, one line names what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import importlib, pkgutil, sys
sys.modules[sys.argv[1]] = None  # as if it were not installed
from sentiment_api import review_files
from sentiment_api.errors import PackageMissing
from sentiment_api.review_files.options import parse_named
assert parse_named(["text=Body"]) == {"text": "Body"}
for module in pkgutil.walk_packages(review_files.__path__, "sentiment_api.review_files."):
    try:
        importlib.import_module(module.name)
        print(module.name.rpartition(".")[2])
    except PackageMissing as missing:
        print(missing)
"""


@pytest.mark.parametrize("package", ["polars", "pyarrow"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(package: str) -> None:
    """Without the extra `files` every reader, also the first imported, names what to install; names still work."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, package],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    advice = "pip install 'sentiment-service[files]', or make install-train"
    refusal = f"reading files of reviews needs {package}, which is not installed: {advice}"
    assert {"options", "names", "headers", "csv_records", refusal} <= set(done.stdout.splitlines())
