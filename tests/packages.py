"""Commands that come with Debian packages: without them a test is skipped, and says how to install what it needs."""

import os
import shutil

import pytest


def command_of(package: str, command: str) -> str:
    """Return the path of a package's command; without it skip the test, or fail it in CI, which has the package."""
    path = shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"needs {command}: apt-get install {package}")
    return path
