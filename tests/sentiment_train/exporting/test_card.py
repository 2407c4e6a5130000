"""The model card: what the hub reads in it, what people read, and how it is written again."""

import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from sentiment_api.model.bundle import open_bundle
from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.exporting.card_file import restated, rewrite_card
from sentiment_train.exporting.card_metadata import metadata
from sentiment_train.exporting.card_statements import CardStatements
from tests.protocols import Command

_STARTER = Path(__file__).parents[3] / "models" / "starter"


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """A copy of the exported bundle, to be changed."""
    return Path(shutil.copytree(exported, tmp_path / "bundle"))


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_hub_reads_the_card(exported: Path) -> None:
    """The hub's own library finds language, task, library, tags and every result in it."""
    card = ModelCard.load(exported / "README.md")
    figures = open_bundle(exported).manifest.training["metrics"]["all"]
    assert (card.data.language, card.data.pipeline_tag, card.data.library_name) == (
        "en",
        "text-classification",
        "transformers",
    )
    assert card.data.model_name == "tiny"
    assert "sentiment" in card.data.tags
    found = {(result.dataset_split, result.metric_type): result.metric_value for result in card.data.eval_results}
    assert found["later", "accuracy"] == round(figures["accuracy"], 4)
    assert found["later", "f1"] == round(figures["macro_f1"], 4)
    assert "datasets" not in card.data.to_dict()


def test_every_section_and_picture_is_there(exported: Path) -> None:
    """A reader finds what it is for, of what and how it was made, how good it is, where it ends, and its licence."""
    words = (exported / "README.md").read_text()
    sections = re.findall(r"^## (.*)$", words, flags=re.MULTILINE)
    assert sections == [
        "Intended use",
        "Data and terms",
        "How it was made",
        "Figures",
        "Calibration, and when to abstain",
        "Limits",
        "Licence",
    ]
    pictures = re.findall(r"!\[.+\]\((.+)\)", words)
    assert pictures
    assert all((exported / picture).is_file() for picture in pictures)
    training = open_bundle(exported).manifest.training
    assert all(f"\n{command}\n" in words for command in training["commands"])
    agreement = f"{training['parity']['agreement']:.2%}"
    assert f"the weights of this folder, which are fp16 and compute in fp32, in {agreement};" in words


@pytest.mark.parametrize(
    ("licence", "name"),
    [
        ("Apache-2.0 (as its base)", "apache-2.0"),
        ("MIT", "mit"),
        ("mit, with thanks", "mit"),
        ("Our own, ask us", "other"),
        (None, None),
    ],
)
def test_the_licence_has_the_hubs_name(licence: str | None, name: str | None, exported: Path) -> None:
    """A licence that the hub knows is named as there, any other is `other`, and one that nobody stated is left out."""
    manifest = open_bundle(exported).manifest
    manifest.training["licence"] = licence
    found = re.findall(r"^license: (.*)$", metadata(manifest), flags=re.MULTILINE)
    assert found == ([name] if name else [])


@pytest.mark.parametrize(
    ("recorded", "stated", "named"),
    [("shop/base", None, "shop/base"), ("base-minilm", None, None), ("base-minilm", "shop/base", "shop/base")],
)
def test_the_base_is_named_as_the_hub_has_it(
    recorded: str, stated: str | None, named: str | None, exported: Path
) -> None:
    """A folder's name leads to nothing on the hub, or to somebody else's model: it is left out unless one is stated."""
    manifest = open_bundle(exported).manifest
    manifest.training.update({"base": recorded, "base_model": stated})
    found = re.findall(r"^base_model: (.*)$", metadata(manifest), flags=re.MULTILINE)
    assert found == ([named] if named else [])


def test_a_card_is_written_again(bundle: Path, tmp_path: Path, command: Command) -> None:
    """New statements stand in the card, the others stay; version and all other files are as before, and it opens."""
    before, version = _contents(bundle), open_bundle(bundle).manifest.version
    (tmp_path / "notes.md").write_text("- Knows nothing of kettles.\n")
    options = ("--licence", "MIT", "--notes", tmp_path / "notes.md", "--base-model", "shop/base", "--dataset", "shop/a")
    code, words, errors = command("card", bundle, *options, "--dataset", "shop/b")
    assert (code, errors) == (0, "")
    assert words == f"wrote {bundle}/README.md: tiny {version}, the version as it was\n"
    after = _contents(bundle)
    assert {name for name in after if after[name] != before.get(name)} == {"README.md", "bundle.json"}
    assert after.keys() == before.keys()
    manifest = open_bundle(bundle).manifest
    assert manifest.version == version
    card = ModelCard.load(bundle / "README.md")
    assert (card.data.license, card.data.base_model, card.data.datasets) == ("mit", "shop/base", ["shop/a", "shop/b"])
    assert "- Weights' licence: MIT\n- Data terms: written by hand\n" in card.text
    assert "- Knows nothing of kettles." in card.text.split("## Limits")[1]
    assert manifest.training["commands"][-1].endswith(
        "--licence MIT --terms 'written by hand' --base-model shop/base --dataset shop/a --dataset shop/b"
    )


def test_writing_it_twice_changes_nothing(bundle: Path) -> None:
    """The card follows from the manifest alone."""
    rewrite_card(bundle, CardStatements())
    once = _contents(bundle)
    rewrite_card(bundle, CardStatements())
    assert _contents(bundle) == once


def test_out_leaves_the_bundle_alone(bundle: Path, tmp_path: Path, command: Command) -> None:
    """With --out the card goes to a file of its own."""
    before = _contents(bundle)
    code, words, errors = command("card", bundle, "--licence", "MIT", "--out", tmp_path / "card.md")
    assert (code, words, errors) == (0, f"wrote {tmp_path / 'card.md'}\n", "")
    assert ModelCard.load(tmp_path / "card.md").data.license == "mit"
    assert _contents(bundle) == before


def test_out_replaces_no_file(bundle: Path, tmp_path: Path, command: Command) -> None:
    """What is there already stays, and one line says so, as of every other command."""
    file = tmp_path / "card.md"
    file.write_text("# Mine\n")
    code, words, errors = command("card", bundle, "--out", file)
    assert (code, words) == (1, "")
    assert errors == (
        f"sentiment-train: expected the name of a new file, found {file} there; name another one, or remove it first\n"
    )
    assert file.read_text() == "# Mine\n"


def test_a_bundle_of_an_earlier_export_has_a_card(tmp_path: Path) -> None:
    """The starter's manifest is enough for a card, also where it lacks the figures that were not made in its time."""
    manifest, words = restated(_STARTER, CardStatements())
    (tmp_path / "card.md").write_text(words)
    card = ModelCard.load(tmp_path / "card.md")
    assert (card.data.model_name, card.data.license) == ("starter", "apache-2.0")
    accuracy = manifest.training["metrics"]["all"]["accuracy"]
    assert any(result.metric_value == round(accuracy, 4) for result in card.data.eval_results)


def test_a_bundle_without_figures_has_none(exported: Path, fitted: Path, command: Command) -> None:
    """What `export` did not make is refused in one line."""
    code, _, errors = command("card", fitted)
    assert code == 1
    assert "expected a bundle that `sentiment-train export` made" in errors
    assert errors.count("\n") == 1
    with pytest.raises(UnusableCheckpoint):
        rewrite_card(fitted, CardStatements())


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_unreadable_notes_are_one_line(content: bytes | None, bundle: Path, tmp_path: Path, command: Command) -> None:
    """A file of notes that is missing or no text changes nothing."""
    notes, before = tmp_path / "notes.md", _contents(bundle)
    if content is not None:
        notes.write_bytes(content)
    code, _, errors = command("card", bundle, "--notes", notes)
    assert code == 1
    assert errors.startswith(f"sentiment-train: cannot read {notes}, expected a text in UTF-8")
    assert _contents(bundle) == before


def test_a_place_that_cannot_be_written_leaves_the_old_card(bundle: Path, tmp_path: Path, command: Command) -> None:
    """Where no file can be made the message says so."""
    code, _, errors = command("card", bundle, "--out", tmp_path / "none" / "card.md")
    assert code == 1
    assert errors.startswith(f"sentiment-train: cannot write to {tmp_path / 'none'}: No such file or directory")
    assert errors.count("\n") == 1
