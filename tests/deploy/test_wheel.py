"""The wheel: what it installs, and that what it installs works without the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sentiment_api.settings import DatabaseSettings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs, built from this repository."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_it_installs_our_three_packages_and_no_other(site: Path) -> None:
    """A top-level name such as `migrations` would be in the way of anybody else's."""
    names = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert names == {"sentiment_api", "sentiment_train", "drift_jobs"}


def test_its_migrations_bring_the_schema_up(site: Path, database_settings: DatabaseSettings) -> None:
    """Away from the repository `db upgrade` finds the migrations that came with the wheel."""
    assert database_settings.database_url is not None
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site),
        "SENTIMENT_DATABASE_URL": database_settings.database_url.get_secret_value(),
    }
    place = "import sentiment_api.database.schema as schema; print(schema.__file__)"
    for command, said in (
        (["-c", place], str(site)),
        (["-m", "sentiment_api", "db", "downgrade", "0001", "--yes"], "schema    0001"),
        (["-m", "sentiment_api", "db", "upgrade"], "schema    0006"),
    ):
        finished = subprocess.run(
            [sys.executable, *command], env=environment, cwd=site.parent, capture_output=True, text=True, check=False
        )
        assert said in finished.stdout, finished
