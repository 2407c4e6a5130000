"""The folder that an evaluation leaves: numbers, pictures, and a page that needs nothing else."""

import json
import re
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from matplotlib.image import imread

from sentiment_api.model.bundle import open_bundle, sealed, write_manifest
from sentiment_train.errors import FolderTaken, NotWritten, UnusableCheckpoint
from sentiment_train.evaluation.answers import LabelledAnswers
from sentiment_train.evaluation.drawing import draw
from sentiment_train.evaluation.figures import all_figures
from sentiment_train.evaluation.page import page
from sentiment_train.evaluation.report import EvaluatedModel, read_history, write_report
from sentiment_train.evaluation.tables import FigureTable

_SUBJECT = EvaluatedModel(model="tiny <1>", version="abc", engine="cpu", reviews="later")
_HISTORY = [{"step": 25, "loss": 0.5}, {"step": 50, "loss": 0.25}, {"step": 50, "eval_loss": 0.3, "eval_accuracy": 0.9}]
_ALWAYS = ["confusion.png", "reliability.png", "scores.png"]


def _answers(labels: list[str], truth: np.ndarray) -> LabelledAnswers:
    """A model that is right more often than not, on reviews of two categories and 40 products."""
    random = np.random.default_rng(1)
    logits = random.normal(size=(len(truth), len(labels))) + 1.5 * np.eye(len(labels))[truth]
    rows = range(len(truth))
    reviews = pl.DataFrame(
        {
            "id": [f"r{row}" for row in rows],
            "product_id": [f"p{row % 40}" for row in rows],
            "category": [("books", "toys")[row % 2] for row in rows],
        }
    )
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return LabelledAnswers(labels, reviews, truth, probabilities, np.full(len(truth), 20))


@pytest.fixture(scope="module")
def binary() -> LabelledAnswers:
    """120 answers of two labels."""
    return _answers(["negative", "positive"], np.arange(120) % 3 % 2)


@pytest.fixture(scope="module")
def report(binary: LabelledAnswers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that those answers leave."""
    folder = tmp_path_factory.mktemp("report") / "out"
    write_report(folder, _SUBJECT, binary, all_figures(binary), history=_HISTORY, worst=3)
    return folder


@contextmanager
def _files_of_at_most(size_bytes: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class _Outside(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self) -> None:
        """Nothing is found yet."""
        super().__init__()
        self.found: list[str] = []
        self.pictures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note scripts, links, and every address that is not inside the page."""
        if tag in {"script", "link", "iframe"}:
            self.found.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset"}:
                if (value or "").startswith("data:image/png;base64,"):
                    self.pictures += 1
                else:
                    self.found.append(f"{name}={value}")


def test_the_folder_holds_numbers_pictures_and_a_page(binary: LabelledAnswers, report: Path) -> None:
    """Everything is in `evaluation.json`; the page has each picture of `figures` in itself, and loads nothing."""
    record = json.loads((report / "evaluation.json").read_text())
    found = json.loads(json.dumps(all_figures(binary)))
    assert {key: record[key] for key in found} == found
    assert (record["model"], record["version"], record["reviews"]) == ("tiny <1>", "abc", "later")
    assert len(record["mistakes"]) == 3
    words = (report / "index.html").read_text()
    outside = _Outside()
    outside.feed(words)
    assert outside.found == []
    assert outside.pictures == len(list((report / "figures").iterdir())) == 7
    assert "url(" not in words
    assert "@import" not in words
    assert [path.name for path in report.parent.iterdir()] == ["out"]


def test_the_page_says_what_was_measured(binary: LabelledAnswers, report: Path) -> None:
    """Names are escaped, and the worst mistake, the figures and the slices can be read in it."""
    words = (report / "index.html").read_text()
    mistake = json.loads((report / "evaluation.json").read_text())["mistakes"][0]
    assert "<h1>tiny &lt;1&gt; on later</h1>" in words
    assert f"<td>later</td><td>120</td><td>{all_figures(binary)['all']['accuracy']:.4f}</td>" in words
    assert "<td>category: toys</td><td>60</td>" in words
    assert f"<td>{mistake['id']}</td><td>{mistake['product_id']}</td>" in words


def test_a_table_without_rows_is_left_out() -> None:
    """An empty table would only make a reader wonder."""
    words = page("t", [], [FigureTable("Full", ["a"], [["1"]])], {}, [FigureTable("Empty", ["a"], [])])
    assert "Full" in words
    assert "Empty" not in words


def test_a_taken_folder_is_refused(binary: LabelledAnswers, tmp_path: Path) -> None:
    """An earlier evaluation is never overwritten."""
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(FolderTaken, match="name another one"):
        write_report(tmp_path, _SUBJECT, binary, all_figures(binary), history=(), worst=0)


def test_a_full_disk_leaves_nothing(binary: LabelledAnswers, tmp_path: Path) -> None:
    """When a picture cannot be written the folder does not appear, and no scratch stays behind."""
    found = all_figures(binary)
    with _files_of_at_most(4096), pytest.raises(NotWritten, match=f"cannot write {tmp_path / 'out'}: File too large"):
        write_report(tmp_path / "out", _SUBJECT, binary, found, history=(), worst=0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_error(binary: LabelledAnswers, tmp_path: Path) -> None:
    """Below a file there is no room for a folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match=r"cannot write .*file/out: "):
        write_report(tmp_path / "file" / "out", _SUBJECT, binary, all_figures(binary), history=(), worst=0)


def test_three_labels_have_the_same_pictures(tmp_path: Path) -> None:
    """Each PNG has ink on it, and a caption."""
    answers = _answers(["negative", "neutral", "positive"], np.arange(120) % 3)
    captions = draw(answers, all_figures(answers), tmp_path / "figures", _HISTORY)
    assert list(captions) == [
        *("confusion.png", "roc.png", "precision.png", "reliability.png", "scores.png", "learning.png", "slices.png")
    ]
    assert sorted(captions) == sorted(path.name for path in (tmp_path / "figures").iterdir())
    for name, caption in captions.items():
        assert (imread(tmp_path / "figures" / name)[..., :3] < 0.5).mean() > 0.005
        assert re.fullmatch(r"[A-Z].*\.", caption)


def test_the_same_answers_give_the_same_pictures(binary: LabelledAnswers, report: Path, tmp_path: Path) -> None:
    """Byte for byte, so that a bundle made again has the same checksums."""
    for name in draw(binary, all_figures(binary), tmp_path, _HISTORY):
        assert (tmp_path / name).read_bytes() == (report / "figures" / name).read_bytes()


def test_pictures_without_content_are_left_out(tmp_path: Path) -> None:
    """One label alone has no curve, reviews that are all alike no slices, and an unknown history none either."""
    answers = _answers(["negative", "positive"], np.ones(30, dtype=int))
    answers = answers._replace(reviews=answers.reviews.drop("category"))
    assert list(draw(answers, all_figures(answers), tmp_path)) == _ALWAYS


def test_the_history_is_that_of_the_fit(fitted: Path) -> None:
    """A fitted model has its log in `fit.json`, and the loss has fallen in it."""
    losses = [entry["loss"] for entry in read_history(fitted) if "loss" in entry]
    assert losses
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("record", "expected"), [({}, []), ({"history": _HISTORY}, _HISTORY)])
def test_a_bundle_has_the_history_in_its_record(
    record: dict[str, Any], expected: list[Any], exported: Path, tmp_path: Path
) -> None:
    """A bundle without one, such as of an older export, has no learning curve, and is no error."""
    bundle = Path(shutil.copytree(exported, tmp_path / "bundle"))
    manifest = open_bundle(bundle).manifest
    write_manifest(bundle, sealed(bundle, msgspec.structs.replace(manifest, training=record)))
    assert read_history(bundle) == expected


def test_a_damaged_log_is_one_error(tmp_path: Path) -> None:
    """A record that was cut off is named with the remedy."""
    (tmp_path / "fit.json").write_text('{"history": [')
    with pytest.raises(UnusableCheckpoint, match=r"fit\.json is damaged .*; fit the model again"):
        read_history(tmp_path)
