"""The model bundle: one folder, its manifest `bundle.json`, and the checks that a folder must pass before it is used.

The layout is Hugging Face's, so that `from_pretrained(folder)` works too. Training writes bundles with the functions
at the end; the service and the drift job only open them.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sentiment_api.errors import BundleInvalid

FORMAT = 1
MANIFEST = "bundle.json"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
CPU_MODEL = "model.int8.onnx"
PROJECTION = "projection.safetensors"
REFERENCE = "reference.parquet"

ANSWERING_FILES = (CONFIG, TOKENIZER, WEIGHTS, CPU_MODEL, PROJECTION)
"""The files that decide what the service answers or logs; the version is made of these."""
GOLDEN_TOLERANCE = 0.03
"""How far a golden text's probability may lie from what was recorded for the same engine at export."""


class GoldenText(msgspec.Struct, frozen=True):
    """A hand-written text with the answers that were recorded at export."""

    text: str
    probabilities: dict[str, list[float]]
    """By engine (`cpu`, `torch`), in the order of the labels."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `bundle.json` holds."""

    format: int = FORMAT
    name: str
    version: str
    """The first 12 hex digits of `bundle_version`."""
    labels: list[str]
    """In the order of the logits."""
    rating_labels: dict[str, str | None]
    """The label that each rating 1 to 5 stands for; null where it stands for none."""
    max_tokens: int
    """Special tokens included."""
    temperature: float = 1.0
    """Logits are divided by it before softmax."""
    golden: list[GoldenText] = []
    files: dict[str, str] = {}
    """SHA-256 of every file by its path in the folder."""
    training: dict[str, Any] = {}
    """Metrics, data hash, base model, recipe, creation time: the record, which decides no answer."""


class Bundle(msgspec.Struct, frozen=True):
    """A folder that passed its checks."""

    folder: Path
    manifest: Manifest
    projection: "Projection | None"

    def path(self, name: str) -> Path:
        """Return where the file `name` of the bundle lies, whether or not it exists."""
        return self.folder / name


class Projection(msgspec.Struct, frozen=True):
    """A linear map from the model's pooled embedding to the few dimensions that are logged."""

    mean: NDArray[np.float32]
    """`(dim,)`"""
    components: NDArray[np.float32]
    """`(n_projected, dim)`, orthonormal rows."""

    def __call__(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `(n, n_projected)` for pooled embeddings `(n, dim)`."""
        projected: NDArray[np.float32] = ((pooled - self.mean) @ self.components.T).astype(np.float32, copy=False)
        return projected


def open_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder` after checking that it is complete and undamaged.

    A plain Hugging Face DistilBERT folder, without `bundle.json`, opens too: uncalibrated, unversioned by us and
    without golden texts, projection or reference.

    Raises:
        BundleInvalid: with what was expected, what was found and the remedy.
    """
    try:
        return _checked(folder)
    except OSError as error:
        raise unreadable_bundle(folder, error) from error


def unreadable_bundle(folder: Path, error: OSError) -> BundleInvalid:
    """Return the error to raise where the system does not let us read a file of the bundle in `folder`."""
    return BundleInvalid(
        f"cannot read {error.filename or folder}: {error.strerror or error}; the user that runs this has to be able to "
        f"enter {folder} and to read every file in it"
    )


def _checked(folder: Path) -> Bundle:
    if not folder.is_dir():
        raise BundleInvalid(f"expected a model bundle, found no folder {folder}; set SENTIMENT_MODEL")
    if not (folder / MANIFEST).exists():
        return Bundle(folder, _manifest_of_plain_folder(folder), projection=None)
    manifest = _read_manifest(folder)
    _check_files(folder, manifest)
    return Bundle(folder, manifest, _read_projection(folder))


def bundle_version(manifest: Manifest) -> str:
    """Return the version: 12 hex digits of SHA-256 over the files and fields that decide answers.

    Time, card, figures, golden texts and the reference leave it as it is.
    """
    files = sorted((name, digest) for name, digest in manifest.files.items() if name in ANSWERING_FILES)
    fields = [manifest.labels, manifest.max_tokens, manifest.temperature]
    return hashlib.sha256(msgspec.json.encode([files, fields])).hexdigest()[:12]


def sealed(folder: Path, manifest: Manifest) -> Manifest:
    """Return `manifest` with the checksum of every file in `folder` and the version that follows from them."""
    files = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    listed = msgspec.structs.replace(manifest, files=files)
    return msgspec.structs.replace(listed, version=bundle_version(listed))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `bundle.json`, indented, so that people and `git diff` can read it."""
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict)
        if found.get("format") != FORMAT:
            raise BundleInvalid(
                f"expected bundle format {FORMAT} in {path}, found {found.get('format')}; "
                "export the model again with this release's sentiment-train, or upgrade the service"
            )
        manifest = msgspec.convert(found, Manifest)
    except msgspec.DecodeError as error:
        raise BundleInvalid(f"{path} is damaged ({error}); export or copy the bundle again") from error
    if manifest.version != (expected := bundle_version(manifest)):
        raise BundleInvalid(
            f"expected version {expected} in {path}, found {manifest.version}: it was edited by hand; export it again"
        )
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BundleInvalid(f"expected the file {path}, found none; copy the whole bundle again")
        if (found := file_digest(path)) != expected:
            raise BundleInvalid(
                f"expected SHA-256 {expected[:12]}... of {path}, found {found[:12]}...: the file is damaged or was "
                "changed; copy the bundle again"
            )


def _manifest_of_plain_folder(folder: Path) -> Manifest:
    for name in (CONFIG, TOKENIZER, WEIGHTS):
        if not (folder / name).is_file():
            raise BundleInvalid(
                f"expected {MANIFEST}, or a Hugging Face folder with {name}, in {folder}; found neither"
            )
    try:
        config = msgspec.json.decode((folder / CONFIG).read_bytes(), type=dict)
    except msgspec.DecodeError as error:
        raise BundleInvalid(f"{folder / CONFIG} is damaged ({error}); copy the folder again") from error
    if config.get("model_type") != "distilbert":
        raise BundleInvalid(f"expected a DistilBERT in {folder}, found model_type {config.get('model_type')!r}")
    files = {name: file_digest(folder / name) for name in (CONFIG, TOKENIZER, WEIGHTS)}
    manifest = Manifest(
        name=folder.resolve().name,
        version="",
        labels=_labels_of(config),
        rating_labels={},
        max_tokens=config.get("max_position_embeddings", 512),  # Hugging Face's default, too
        files=files,
    )
    return msgspec.structs.replace(manifest, version=bundle_version(manifest))


def _labels_of(config: Mapping[str, Any]) -> list[str]:
    """Return the labels by index; Hugging Face's default is two, and leaves them out of the file."""
    by_index = config.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
    try:
        return [by_index[str(index)] for index in range(len(by_index))]
    except (KeyError, TypeError) as error:
        raise BundleInvalid(f"expected id2label of {CONFIG} to number its labels from 0, found {by_index}") from error


def _read_projection(folder: Path) -> Projection | None:
    path = folder / PROJECTION
    if not path.exists():
        return None
    try:
        arrays = load_file(path)
        return Projection(arrays["mean"], arrays["components"])
    except (SafetensorError, KeyError) as error:
        raise BundleInvalid(f"expected the arrays mean and components in {path}: {error}") from error
