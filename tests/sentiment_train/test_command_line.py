"""`python -m sentiment_train` as a user starts it: a process of its own, its words, and its exit codes."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import polars as pl
import pytest

import sentiment_train
from sentiment_api.model.bundle import open_bundle, sealed, write_manifest
from sentiment_train.prepared import read_part
from tests.protocols import Command

_ROOT = Path(__file__).parents[2]
_COMMANDS = ("import-bert", "prepare", "fit", "evaluate", "export", "compare", "card")
_PACKAGE = Path(sentiment_train.__file__).parent
_MODULES = sorted(
    ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in _PACKAGE.rglob("*.py")
)


def _run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sentiment_train", *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **environment},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


class _Hub(ThreadingHTTPServer):
    """A hub that has nothing and remembers what it was asked."""

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.asked: list[str] = []


class _HubHandler(BaseHTTPRequestHandler):
    """Answers 404 to everything."""

    server: _Hub

    def _refuse(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(404)

    do_GET = do_HEAD = do_POST = _refuse  # noqa: N815 - the standard library's names

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[_Hub]:
    """A hub on this machine."""
    server = _Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folders(prepared: Path, base: Path, fitted: Path, exported: Path, tmp_path: Path) -> dict[str, Path]:
    """What the commands take, by name, and a new folder."""
    return {"prepared": prepared, "base": base, "fitted": fitted, "exported": exported, "new": tmp_path / "new"}


def test_prepare_writes_the_parts_and_says_so(ratings_file: Path, tmp_path: Path) -> None:
    """The command names what it will write, prints the parts, and leaves them in the folder."""
    done = _run("prepare", ratings_file, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"will write {tmp_path / 'out'}: the parts as parquet files")
    assert "66 rows; left out: 6 no label" in " ".join(done.stdout.split())
    record = json.loads((tmp_path / "out" / "data.json").read_text())
    assert len(read_part(tmp_path / "out", "train")) == record["parts"]["train"]["rows"]


def test_a_dry_run_of_prepare_writes_nothing(tmp_path: Path, command: Command) -> None:
    """It tells the columns, the form of times and what becomes of the first rows, and leaves no folder."""
    rows = {
        "Body": ["Works &amp; shines.", "!"],
        "overall": [5, 4],
        "asin": ["mug"] * 2,
        "unixReviewTime": [1704450600] * 2,
    }
    pl.DataFrame(rows).write_csv(tmp_path / "shop.csv")
    arguments = ("prepare", tmp_path / "shop.csv", "--out", tmp_path / "out", "--column", "text=Body", "--dry-run")
    code, words, errors = command(*arguments)
    assert (code, errors) == (0, "")
    assert words.startswith(f"would write {tmp_path / 'out'}: ")
    said = " ".join(words.split())
    roles = "text=Body, rating=overall (1 to 5), product_id=asin, timestamp=unixReviewTime (seconds)"
    assert f"shop.csv: 2 rows; csv, utf-8, comma; {roles}" in said
    assert "ratings: 5: 1 years: 2024: 1 left out: hardly any text: 1 texts mended: HTML entities: 1" in said
    assert "Works & shines." in said
    assert not (tmp_path / "out").exists()


def test_look_says_what_is_in_a_file_and_how_to_go_on(tmp_path: Path, command: Command) -> None:
    """The next command has the options that were given; what is not certain is asked for."""
    rows = [(f"Review number {n} of the new lamp", n % 7 + 1, f"{n % 9 + 1}/3/2024") for n in range(70)]
    pl.DataFrame(rows, schema=["body", "points", "on"], orient="row").write_csv(tmp_path / "my reviews.csv")
    code, _, errors = command("look", tmp_path / "my reviews.csv")
    assert (code, "say --dates day-first or --dates month-first" in errors) == (1, True)
    code, _, errors = command("look", tmp_path / "my reviews.csv", "--dates", "day-first")
    assert (code, "say --scale 1:7 or --scale 10" in errors) == (1, True)
    code, words, errors = command("look", tmp_path / "my reviews.csv", "--scale", "1:7", "--dates", "day-first")
    assert (code, errors) == (0, "")
    assert "timestamp=on (day first); no product" in " ".join(words.split())
    assert words.rstrip().endswith(
        f"sentiment-train prepare '{tmp_path / 'my reviews.csv'}' --scale 1:7 --dates day-first --out prepared"
    )


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([("Fine lamp", 6, "lamp", "2024-01-05")], (), "expected ratings on a scale that is certain in shop.csv"),
        ([("Fine lamp", 5, "lamp", "2024-01-05")], (), "expected at least two labels in the part 'train', found 0"),
        ([("Fine lamp", 5, "lamp", "2024-01-05")], ("--column", "body=Body"), "expected --column ROLE=NAME"),
        ([("Fine lamp", 5, "lamp", "2024-01-05")], ("--encoding", "utf-16"), "expected utf-16 in"),
    ],
)
def test_ratings_that_cannot_be_used_are_one_line(
    rows: list[tuple[object, ...]], options: tuple[str, ...], message: str, tmp_path: Path, command: Command
) -> None:
    """What stops `prepare` is one line on standard error, exit code 1, and no folder."""
    columns = ["text", "rating", "product_id", "timestamp"]
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(tmp_path / "shop.csv")
    code, _, errors = command("prepare", tmp_path / "shop.csv", "--out", tmp_path / "new" / "out", *options)
    assert code == 1
    assert errors.startswith(f"sentiment-train: {message}")
    assert errors.count("\n") == 1
    assert not any((tmp_path / "new").glob("*"))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """A file that does not exist ends the command with one line on standard error and exit code 1."""
    done = _run("prepare", tmp_path / "none.csv", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("sentiment-train: expected a file, a folder or a pattern, found nothing at ")
    assert done.stderr.count("\n") == 1


def test_a_missing_column_is_one_line(tmp_path: Path) -> None:
    """A column that lacks is named, in one line on standard error and with exit code 1."""
    pl.DataFrame({"text": ["Works well."], "when": ["2024-01-05"]}).write_csv(tmp_path / "shop.csv")
    done = _run("prepare", tmp_path / "shop.csv", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr == (
        "sentiment-train: cannot tell which column of shop.csv is a rating or a label; none looks like a rating: name "
        "it with --column rating=NAME. Its columns: text, when\n"
    )


@pytest.mark.slow
def test_a_fit_logs_plainly_and_asks_no_hub(prepared: Path, base: Path, hub: _Hub, tmp_path: Path) -> None:
    """From a local base nothing is asked of the hub; the log is lines of figures, without bars and load reports."""
    url = f"http://127.0.0.1:{hub.server_port}"
    out = tmp_path / "run"
    options = ("--epochs", 1, "--max-tokens", 64)
    done = _run("fit", prepared, "--base", base, "--out", out, *options, HF_ENDPOINT=url, HF_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert hub.asked == []
    lines = done.stdout.splitlines()
    assert lines[0] == f"will write {out}: weights, configuration, tokenizer and fit.json, the record of the run"
    assert lines[1].startswith("train on 28 reviews, ")
    assert lines[-1].startswith(f"wrote {out}: validation accuracy 0.")
    assert lines[2].startswith("only ")
    assert "consider more --epochs" in lines[2]
    assert all(line.startswith("step ") for line in lines[3:-1])


@pytest.mark.slow
def test_a_hub_name_is_asked_of_the_hub(prepared: Path, hub: _Hub, tmp_path: Path) -> None:
    """What is no folder is looked for at the hub, and what it lacks is one line."""
    url = f"http://127.0.0.1:{hub.server_port}"
    done = _run("fit", prepared, "--base", "shop/tiny", "--out", tmp_path / "x", HF_ENDPOINT=url, HF_HOME=str(tmp_path))
    assert any("/shop/tiny/" in path for path in hub.asked)
    assert done.returncode == 1
    assert done.stderr.startswith("sentiment-train: cannot read shop/tiny, expected a folder or a hub name")
    assert done.stderr.count("\n") == 1


def test_evaluate_scores_a_plain_file(exported: Path, tmp_path: Path, command: Command) -> None:
    """With --texts the figures of that file are printed, and --json prints the same ones."""
    texts = tmp_path / "benchmark.parquet"
    rows = {"text": ["Love it, wonderful, great.", "Terrible junk, it broke."], "label": [1, 0]}
    pl.DataFrame(rows).write_parquet(texts)
    code, table, errors = command("evaluate", exported, "--engine", "cpu", "--texts", texts)
    assert (code, errors) == (0, "")
    row = next(line for line in table.splitlines() if "benchmark" in line)
    cells = [cell.strip() for cell in row.split("│")]
    assert cells[1:6] == ["benchmark.parquet", "2", "1.0000", "1.0000", "1.0000"]
    found = json.loads(command("evaluate", exported, "--engine", "cpu", "--texts", texts, "--json")[1])
    assert (found["n"], found["accuracy"]) == (2, 1.0)
    assert cells[6:8] == [f"{found['brier']:.4f}", f"{found['calibration_error']:.4f}"]


def test_evaluate_scores_a_prepared_folder(exported: Path, prepared: Path, command: Command) -> None:
    """With --data the part, its unseen products and each category have a row."""
    code, table, errors = command("evaluate", exported, "--engine", "cpu", "--data", prepared)
    assert (code, errors) == (0, "")
    rows = [line.split("│")[1:3] for line in table.partition("Labels")[0].splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [["later", "14"], ["shop", "14"]]
    assert "note: intervals need 20 reviews, found 14" in table


def test_evaluate_leaves_a_page(exported: Path, prepared: Path, tmp_path: Path, command: Command) -> None:
    """With --out a page, its pictures and everything as JSON are written, mistakes by id and no text among them."""
    out = tmp_path / "out"
    options = ("--engine", "cpu", "--data", prepared, "--part", "validation", "--out", out, "--worst", 3)
    code, words, errors = command("evaluate", exported, *options)
    assert (code, errors) == (0, "")
    assert words.endswith(f"wrote {out}: index.html, evaluation.json and figures\n")
    assert sorted(path.name for path in out.iterdir()) == ["evaluation.json", "figures", "index.html"]
    record = json.loads((out / "evaluation.json").read_text())
    assert (record["model"], record["reviews"], record["engine"]) == ("tiny", "validation", "cpu")
    wrong = round(record["all"]["n"] * (1 - record["all"]["accuracy"]))
    assert len(record["mistakes"]) == min(3, wrong)
    written = (out / "evaluation.json").read_text() + (out / "index.html").read_text() + words
    assert not [text for text in read_part(prepared, "validation")["text"] if text in written]


def test_evaluate_does_not_write_into_a_filled_folder(exported: Path, prepared: Path, command: Command) -> None:
    """What is there is refused, at once and in one line, and stays."""
    before = sorted(prepared.iterdir())
    code, words, errors = command("evaluate", exported, "--engine", "cpu", "--data", prepared, "--out", prepared)
    assert (code, words) == (1, "")
    assert errors == (
        f"sentiment-train: expected a new or empty folder {prepared}, found files in it; name another one, or remove "
        "it first\n"
    )
    assert sorted(prepared.iterdir()) == before


@pytest.mark.parametrize("options", [(), ("--data", "prepared", "--texts", "texts.parquet")])
def test_evaluate_takes_exactly_one_source(options: tuple[str, ...], exported: Path, command: Command) -> None:
    """None and both of --data and --texts are errors of usage."""
    code, _, errors = command("evaluate", exported, *options)
    assert code == 2
    assert "give exactly one of --data and --texts" in errors


def test_a_bundle_that_does_not_exist_is_one_line(tmp_path: Path, command: Command) -> None:
    """The service's own errors are told the same way."""
    code, _, errors = command("evaluate", tmp_path / "none", "--data", tmp_path)
    assert code == 1
    assert errors.startswith("sentiment-train: expected a model bundle, found no folder")
    assert errors.count("\n") == 1


def test_a_bundle_without_a_training_record_is_not_exported(
    exported: Path, prepared: Path, tmp_path: Path, command: Command
) -> None:
    """A bundle that `export` did not make says too little of its model; the message names what can be exported."""
    bundle = tmp_path / "bundle"
    shutil.copytree(exported, bundle)
    manifest = open_bundle(bundle).manifest
    write_manifest(bundle, sealed(bundle, msgspec.structs.replace(manifest, training={})))
    code, _, errors = command("export", bundle, "--data", prepared, "--out", tmp_path / "new", "--name", "new")
    assert code == 1
    assert "without a record of its training" in errors
    assert "the folder that `sentiment-train fit` made" in errors


class _Exhausted(io.StringIO):
    """A screen for which the memory does not suffice, so that a command fails at the first thing that it says."""

    def write(self, text: str) -> int:
        """Take nothing."""
        raise MemoryError(f"{len(text)} letters")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("fit", "{prepared}", "--base", "{base}", "--out", "{new}"), "lower --batch-size or --max-tokens"),
        (("fit", "{prepared}", "--base", "{base}", "--out", "{new}", "--dry-run"), "lower --batch-size"),
        (("export", "{fitted}", "--data", "{prepared}", "--out", "{new}", "--name", "new"), "free some"),
        (("evaluate", "{exported}", "--engine", "cpu", "--data", "{prepared}"), "free some"),
    ],
    ids=["fit", "dry run", "export", "evaluate"],
)
def test_too_little_memory_is_one_line_wherever_it_lacks(
    arguments: tuple[str, ...],
    remedy: str,
    folders: dict[str, Path],
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also outside the steps of a fit it is one line with the remedy, exit code 1, and no folder."""
    monkeypatch.setattr(sys, "stdout", _Exhausted())
    code, _, errors = command(*(word.format_map(folders) for word in arguments))
    assert code == 1
    assert errors.startswith("sentiment-train: more memory is needed than there is (")
    assert f"letters); {remedy}" in errors
    assert errors.count("\n") == 1
    assert list(folders["new"].parent.iterdir()) == []


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_help(name: str, command: Command) -> None:
    """`--help` says what a command does, and for those that write, what becomes of an existing folder."""
    code, words, _ = command(name, "--help")
    assert code == 0
    assert f"{name} [OPTIONS]" in words
    if name in {"import-bert", "prepare", "fit", "evaluate", "export"}:
        assert "new or empty. One with files in it is refused" in words


def test_the_commands_are_listed_in_order_of_use(command: Command) -> None:
    """The first help lists the commands as they are used one after the other."""
    _, words, _ = command("--help")
    listed = [line.split()[1] for line in words.splitlines() if line.startswith("│ ") and len(line.split()) > 1]
    assert [name for name in listed if name in _COMMANDS] == list(_COMMANDS)


@pytest.mark.slow
def test_every_module_can_be_imported_with_an_empty_environment() -> None:
    """Importing needs no variable, writes nothing and starts nothing."""
    program = f"import importlib\nfor name in {_MODULES}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program],
        env={},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


_WITHOUT_LIBRARIES = """
import sys
for name in ("accelerate", "ftfy", "huggingface_hub", "matplotlib", "onnx", "polars", "pyarrow", "scipy", "sklearn",
             "tensorboardX", "torch", "transformers"):
    sys.modules[name] = None  # as if it were not installed
from sentiment_train.__main__ import main
main()
"""


def _run_without_libraries(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as it is after `make serve`, with the service's libraries alone."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT_LIBRARIES, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200"},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("name", ["", *_COMMANDS])
def test_help_needs_no_library_of_training(name: str) -> None:
    """Where only the service is installed, `--help` still says what the commands do."""
    done = _run_without_libraries(*([name] if name else []), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("import-bert", "bert", "--out", "new"), 1),
        (("prepare", "shop.csv", "--out", "new"), 1),
        (("fit", "prepared", "--base", "base", "--out", "new"), 1),
        (("fit", "prepared", "--base", "base", "--out", "new", "--dry-run"), 1),
        (("evaluate", "run", "--data", "prepared"), 1),
        (("export", "run", "--data", "prepared", "--out", "new", "--name", "new"), 1),
        (("compare", "a", "b", "--data", "prepared"), 2),
        (("card", "bundle"), 1),
    ],
    ids=["import-bert", "prepare", "fit", "dry run", "evaluate", "export", "compare", "card"],
)
def test_a_missing_library_is_one_line_with_the_command_that_installs_it(arguments: tuple[str, ...], code: int) -> None:
    """A command whose libraries are not installed names one and `make install-train`, with its usual exit code."""
    done = _run_without_libraries(*arguments)
    assert done.returncode == code
    assert re.fullmatch(
        r"sentiment-train: this command needs \w+, which is not installed: make install-train\n", done.stderr
    )
