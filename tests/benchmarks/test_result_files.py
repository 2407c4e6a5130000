"""What benchmarks write beside their figures, and what they read of it again."""

from pathlib import Path

from benchmarks import result_files


def test_figures_of_rounds_become_medians() -> None:
    """Each figure is the median of its own, also where figures are grouped."""
    rounds = [{"load": load, "speeds": {"short": {"answers_per_s": 10 * load}}} for load in (3.0, 1.0, 2.0)]
    assert result_files.medians(rounds) == {"load": 2.0, "speeds": {"short": {"answers_per_s": 20.0}}}


def test_figures_stand_below_the_machine_and_beside_their_table(tmp_path: Path) -> None:
    """The machine and the date come first, and are not read again as figures of the run before."""
    result_files.write(tmp_path / "new", "lanes", {"p95": 1.5}, result_files.table(("what", "p95"), ("single", "1.5")))
    assert (tmp_path / "new/lanes.json").read_text().startswith('{\n  "machine": {\n    "date": ')
    assert (tmp_path / "new/lanes.md").read_text() == "| what | p95 |\n| --- | --- |\n| single | 1.5 |\n"
    assert result_files.read(tmp_path / "new", "lanes") == {"p95": 1.5}
    assert result_files.read(tmp_path, "lanes") == {}
