"""A fit learns what its teachers answer, names them in its record, and refuses those that cannot teach it."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from accelerate import Accelerator
from rich.console import Console
from transformers import BertTokenizer

from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.exporting.export import export
from sentiment_train.fitting.fit import fit, load_inputs
from sentiment_train.fitting.forecast import forecast
from sentiment_train.fitting.recipe import Recipe
from sentiment_train.fitting.teachers import mean_probabilities
from tests.protocols import Command

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def second(
    prepared: Path, base: Path, recipe: Recipe, quiet: Console, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A fit that learned little, and answers otherwise than `fitted`."""
    folder = tmp_path_factory.mktemp("second")
    fit(prepared, str(base), folder, msgspec.structs.replace(recipe, epochs=4.0, seed=3), quiet)
    return folder


def _taught(recipe: Recipe, share: float = 0.8) -> Recipe:
    return msgspec.structs.replace(recipe, teacher_share=share)


def test_teachers_are_believed_for_their_share(
    prepared: Path, base: Path, fitted: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """Where every label that trains is wrong and the teacher is right, the share decides what is learned."""
    lied_to = Path(shutil.copytree(prepared, tmp_path / "data"))
    train = pl.read_parquet(lied_to / "train.parquet")
    swapped = pl.col("label").replace({"positive": "negative", "negative": "positive"})
    train.with_columns(swapped).write_parquet(lied_to / "train.parquet")
    accuracy = {
        share: fit(lied_to, str(base), tmp_path / str(share), _taught(recipe, share), quiet, teachers=[fitted])[
            "validation"
        ]["accuracy"]
        for share in (0.1, 0.9)
    }
    assert accuracy[0.1] < 0.5 < accuracy[0.9]


def test_several_teachers_count_alike(
    prepared: Path, base: Path, fitted: Path, second: Path, recipe: Recipe, quiet: Console
) -> None:
    """What is learned is the mean of the probabilities that each of them gives."""
    start = load_inputs(prepared, str(base), recipe, [fitted, second])
    one, other, both = (
        mean_probabilities(teachers, start.train, recipe, Accelerator(cpu=True), quiet)
        for teachers in (start.teachers[:1], start.teachers[1:], start.teachers)
    )
    assert np.abs(one - other).max() > 0.1
    np.testing.assert_allclose(both, (one + other) / 2, atol=1e-6)
    np.testing.assert_allclose(both.sum(axis=1), 1.0, atol=1e-6)


def test_the_record_and_the_card_say_how_to_make_the_teachers(
    prepared: Path, fitted: Path, second: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """`fit.json` has each teacher's hash and recipe; the card's commands make them first, the base among them."""
    brief = msgspec.structs.replace(_taught(recipe), epochs=2.0)
    outcome = fit(prepared, str(fitted), tmp_path / "run", brief, quiet, teachers=[fitted, second])
    first = json.loads((fitted / "fit.json").read_text())
    assert outcome["teachers"][0]["recipe"] == first["recipe"]
    assert outcome["teachers"][0]["base_sha256"] == first["base_sha256"]
    assert outcome["teachers"][0]["sha256"] == outcome["base_sha256"]
    assert str(tmp_path) not in json.dumps(outcome)
    manifest = export(
        tmp_path / "run",
        prepared,
        tmp_path / "bundle",
        name="taught",
        max_tokens=96,
        card=CardStatements(),
        console=quiet,
    )
    _, of_first, of_second, of_student, _ = manifest.training["commands"]
    assert "--out teacher-1 --epochs 40.0 " in of_first
    assert "--out teacher-2 --epochs 4.0 " in of_second
    assert "teacher-share" not in of_first
    assert "--base teacher-1 --out run --teacher teacher-1 --teacher teacher-2 --epochs 2.0 " in of_student
    assert "--teacher-share 0.8" in of_student
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "for 80% the mean answer of 2 other fits" in card
    assert "Base: `teacher-1`, SHA-256" in card


def test_a_dry_run_counts_the_teachers(
    prepared: Path, base: Path, fitted: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """It says how many there are and how far they are believed."""
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    forecast(prepared, str(base), tmp_path / "run", _taught(recipe), console, teachers=[fitted])
    assert "1, believed for 80%; each is asked once" in printed.getvalue()


def test_a_share_without_teachers_is_refused(prepared: Path, base: Path, tmp_path: Path, command: Command) -> None:
    """Who names a share has forgotten the teachers."""
    code, _, errors = command("fit", prepared, "--base", base, "--out", tmp_path / "run", "--teacher-share", 0.9)
    assert code == 2
    assert "expected --teacher beside --teacher-share" in errors


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


def _other_letters(folder: Path) -> None:
    _edit(folder / "tokenizer_config.json", lambda tokenizer: tokenizer.update(do_lower_case=False))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "fit.json").unlink(), r"`sentiment-train fit` made, found no .*fit.json"),
        (
            lambda folder: _edit(folder / "fit.json", lambda fitted: fitted.update(recipe=None)),
            r"fit.json is damaged .*recipe.*; fit the teacher again",
        ),
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
        (_other_letters, "the tokenizer of the base, found another one"),
        (
            lambda folder: _edit(folder / "config.json", lambda config: config.update(max_position_embeddings=32)),
            "64 positions or more in .*teacher, found 32; lower --max-tokens to that",
        ),
    ],
    ids=["no fit", "damaged", "other data", "taught itself", "other labels", "other tokens", "other letters", "short"],
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
        fit(prepared, str(base), tmp_path / "run", _taught(recipe), quiet, teachers=[teacher])
    assert not (tmp_path / "run").exists()


def test_a_teacher_is_named_once(
    prepared: Path, base: Path, fitted: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """The same weights twice would only count double."""
    copy = Path(shutil.copytree(fitted, tmp_path / "copy"))
    with pytest.raises(UnusableCheckpoint, match="two with the same weights; name each once"):
        fit(prepared, str(base), tmp_path / "run", _taught(recipe), quiet, teachers=[fitted, copy])
