"""A fit learns what its teachers answer, names them in its record, and refuses those that cannot teach it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from rich.console import Console
from transformers import BertTokenizer

from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.exporting.card import Card
from sentiment_train.exporting.export import export
from sentiment_train.fitting.fit import fit
from sentiment_train.fitting.recipe import Recipe

Change = Callable[[Path], object]


def _taught(recipe: Recipe, *teachers: Path, **changes: Any) -> Recipe:
    return msgspec.structs.replace(recipe, teachers=tuple(str(teacher) for teacher in teachers), **changes)


def test_teachers_are_believed_for_their_share(
    prepared: Path, base: Path, fitted: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """Where every label that trains is wrong and the teacher is right, the share decides what is learned."""
    lied_to = Path(shutil.copytree(prepared, tmp_path / "data"))
    train = pl.read_parquet(lied_to / "train.parquet")
    swapped = pl.col("label").replace({"positive": "negative", "negative": "positive"})
    train.with_columns(swapped).write_parquet(lied_to / "train.parquet")
    accuracy = {
        share: fit(lied_to, str(base), tmp_path / str(share), _taught(recipe, fitted, teacher_share=share), quiet)[
            "validation"
        ]["accuracy"]
        for share in (0.0, 0.9)
    }
    assert accuracy[0.0] < 0.5 < accuracy[0.9]


def test_the_record_and_the_card_say_how_to_make_the_teachers(
    prepared: Path, base: Path, fitted: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """`fit.json` names each teacher with its hash and recipe, and the card's commands make them first."""
    second = Path(shutil.copytree(fitted, tmp_path / "second"))
    outcome = fit(prepared, str(base), tmp_path / "run", _taught(recipe, fitted, second), quiet)
    first_fit = json.loads((fitted / "fit.json").read_text())
    assert [teacher["name"] for teacher in outcome["teachers"]] == [fitted.name, "second"]
    assert outcome["teachers"][0]["recipe"] == first_fit["recipe"]
    assert len(outcome["teachers"][0]["sha256"]) == 64
    manifest = export(
        tmp_path / "run", prepared, tmp_path / "bundle", name="taught", max_tokens=96, card=Card(), console=quiet
    )
    *_, of_first, of_second, of_student, _ = manifest.training["commands"]
    assert f"--out {fitted.name} " in of_first
    assert "--out second " in of_second
    assert f"--out run --teacher {fitted.name} --teacher second --epochs 40.0 " in of_student
    assert "for 80%, from the mean answer of 2 other fits" in (tmp_path / "bundle" / "README.md").read_text()


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _other_labels(folder: Path) -> None:
    _edit(folder / "config.json", lambda config: config.update(id2label={"0": "positive", "1": "negative"}))


def _other_tokens(folder: Path) -> None:
    BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "love": 5}).save_pretrained(
        folder
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "fit.json").unlink(), r"`sentiment-train fit` made, found no .*fit.json"),
        (lambda folder: (folder / "fit.json").write_text("{}"), r"fit.json is damaged .*; fit the teacher again"),
        (
            lambda folder: _edit(folder / "fit.json", lambda fitted: fitted["data"].update(hash="0" * 64)),
            "a teacher of the same data, .* the hash 000000000000 and not .* held-out reviews; fit it on these data",
        ),
        (
            lambda folder: _edit(folder / "fit.json", lambda fitted: fitted.update(teachers=[{"name": "one"}])),
            "learned from the labels alone, found one with teachers",
        ),
        (_other_labels, r"labels \['negative', 'positive'\], found \['positive', 'negative'\]"),
        (_other_tokens, "the tokenizer of the base, found another one"),
    ],
    ids=["no fit", "damaged", "other data", "taught itself", "other labels", "other tokens"],
)
def test_who_cannot_teach_is_refused(
    change: Change,
    words: str,
    prepared: Path,
    base: Path,
    fitted: Path,
    recipe: Recipe,
    quiet: Console,
    tmp_path: Path,
) -> None:
    """One line says what was expected, and nothing is written."""
    teacher = Path(shutil.copytree(fitted, tmp_path / "teacher"))
    change(teacher)
    with pytest.raises(UnusableCheckpoint, match=words):
        fit(prepared, str(base), tmp_path / "run", _taught(recipe, teacher), quiet)
    assert not (tmp_path / "run").exists()


def test_a_teacher_is_named_once(
    prepared: Path, base: Path, fitted: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """Two folders of one name could not be told apart in the record."""
    with pytest.raises(UnusableCheckpoint, match=r"names of their own, found .*: rename a folder"):
        fit(prepared, str(base), tmp_path / "run", _taught(recipe, fitted, fitted), quiet)
