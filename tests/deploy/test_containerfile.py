"""What the Containerfile installs before the project itself is there."""

import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def test_no_index_is_asked_for_the_project_itself(tmp_path: Path) -> None:
    """The lists of packages are other projects' only, and an extra's list has what the extras in it need."""
    containerfile = (ROOT / "Containerfile").read_text()
    begin = containerfile.index('RUN python -c "') + len("RUN ")
    script = containerfile[begin : containerfile.index("\nRUN", begin)]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = script.replace("python", f"'{sys.executable}'", 1)
    subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, check=True)
    needed = {
        path.stem: {Requirement(line).name for line in path.read_text().splitlines()} for path in tmp_path.glob("*.txt")
    }
    assert needed.keys() == {"serve", "drift", "train"}
    assert all("sentiment-service" not in names for names in needed.values())
    assert {"polars", "pyarrow", "torch"} <= needed["train"]
    assert "litestar" in needed["serve"]
