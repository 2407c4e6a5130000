"""Writes the card of a bundle that is there already: its file and the manifest's checksum of it, and nothing else."""

import hashlib
from pathlib import Path

import msgspec

from sentiment_api.model.bundle import MANIFEST, Manifest, open_bundle
from sentiment_train.errors import FolderTaken, UnusableCheckpoint
from sentiment_train.exporting.card import model_card, stated
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.folders import replace_files

CARD = "README.md"


def rewrite_card(folder: Path, card: CardStatements) -> Manifest:
    """Write the card of the bundle in `folder` with the statements of `card` in place of the earlier ones.

    The version stays: a card decides no answer. Both files are written beside the old ones and put in their place at
    the end, one right after the other.

    Raises:
        BundleInvalid: the bundle is damaged.
        UnusableCheckpoint: `export` did not make it.
        NotWritten: a file cannot be written; the old ones stay.
    """
    manifest, words = restated(folder, card)
    files = manifest.files | {CARD: hashlib.sha256(words.encode()).hexdigest()}
    manifest = msgspec.structs.replace(manifest, files=files)
    listed = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    replace_files(folder, {CARD: words.encode(), MANIFEST: listed})
    return manifest


def restated(folder: Path, card: CardStatements) -> tuple[Manifest, str]:
    """Return the manifest of the bundle in `folder` with the statements of `card`, and the card that it makes.

    Raises:
        BundleInvalid: the bundle is damaged.
        UnusableCheckpoint: `export` did not make it.
    """
    manifest = open_bundle(folder).manifest
    if "metrics" not in manifest.training:
        raise UnusableCheckpoint(
            f"expected a bundle that `sentiment-train export` made in {folder}, found no figures; export it first"
        )
    manifest = stated(manifest, card)
    return manifest, model_card(manifest)


def write_card(file: Path, words: str) -> None:
    """Write a card to a new file of its own, whole or not at all.

    Raises:
        FolderTaken: there is something of that name.
        NotWritten: it cannot be written.
    """
    if file.exists():
        raise FolderTaken(f"expected the name of a new file, found {file} there; name another one, or remove it first")
    replace_files(file.parent, {file.name: words.encode()})
