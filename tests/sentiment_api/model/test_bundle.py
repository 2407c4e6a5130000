"""A model folder is used only if it is whole; what is wrong with it is said with the remedy."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sentiment_api.errors import BundleInvalid, EngineUnavailable
from sentiment_api.model import bundle as bundles
from sentiment_api.model.bundle import Bundle, bundle_version, open_bundle, sealed, write_manifest
from sentiment_api.model.classifier import Classifier

PLAIN = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture
def copy(starter: Path, tmp_path: Path) -> Path:
    """The starter in a folder of our own, by links: replace a file, never write into it."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for path in starter.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def plain(copy: Path) -> Path:
    """A plain Hugging Face folder: the starter without what is ours."""
    for path in copy.iterdir():
        if path.name not in PLAIN:
            path.unlink()
    return copy


def replace(path: Path, content: bytes | bytearray) -> None:
    """Replace a linked file by one of our own."""
    path.unlink()
    path.write_bytes(content)


def edit(folder: Path, **fields: Any) -> None:
    """Change fields of the manifest and leave its version as it is."""
    path = folder / "bundle.json"
    replace(path, json.dumps({**json.loads(path.read_bytes()), **fields}).encode())


def refusal(folder: Path) -> str:
    """Return what is said of a folder that cannot be used."""
    with pytest.raises(BundleInvalid) as refused:
        open_bundle(folder)
    return str(refused.value)


def test_the_starter_opens(bundle: Bundle) -> None:
    """The bundle in the repository is whole, binary, and of the version that its content gives."""
    manifest = bundle.manifest
    assert (manifest.name, manifest.labels, manifest.max_tokens) == ("starter", ["negative", "positive"], 512)
    assert manifest.rating_labels == {"1": "negative", "2": "negative", "3": None, "4": "positive", "5": "positive"}
    assert manifest.version == bundle_version(manifest)
    assert bundle.projection is not None
    assert bundle.projection.components.shape[0] == 32


def test_no_folder(tmp_path: Path) -> None:
    """A path where nothing is names the setting."""
    assert refusal(tmp_path / "none") == (
        f"expected a model bundle, found no folder {tmp_path / 'none'}; set SENTIMENT_MODEL"
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    """A folder that is neither a bundle nor Hugging Face's says what either would have."""
    assert "expected bundle.json, or a Hugging Face folder with config.json" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json", "reference.parquet", "README.md"])
def test_a_missing_file(copy: Path, name: str) -> None:
    """Each file that the manifest lists must be there."""
    (copy / name).unlink()
    assert refusal(copy) == f"expected the file {copy / name}, found none; copy the whole bundle again"


@pytest.mark.parametrize("name", ["model.int8.onnx", "config.json", "projection.safetensors"])
def test_a_changed_byte(copy: Path, name: str) -> None:
    """One flipped bit is found, with the beginnings of both checksums."""
    content = bytearray((copy / name).read_bytes())
    expected = hashlib.sha256(content).hexdigest()[:12]
    content[len(content) // 2] ^= 1
    replace(copy / name, content)
    found = hashlib.sha256(content).hexdigest()[:12]
    assert f"expected SHA-256 {expected}... of {copy / name}, found {found}..." in refusal(copy)


@pytest.mark.parametrize("fields", [{"temperature": 2.0}, {"labels": ["positive", "negative"]}, {"max_tokens": 128}])
def test_an_edited_manifest(copy: Path, fields: dict[str, Any]) -> None:
    """A field that decides answers cannot be changed without another version."""
    edit(copy, **fields)
    assert "it was edited by hand; export it again" in refusal(copy)


@pytest.mark.parametrize("number", [0, 2, None])
def test_another_format(copy: Path, number: int | None) -> None:
    """A format of another release is refused by its number, before the fields are looked at."""
    edit(copy, format=number, labels=7)
    assert f"expected bundle format 1 in {copy / 'bundle.json'}, found {number}" in refusal(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe"])
def test_a_damaged_manifest(copy: Path, content: bytes) -> None:
    """A manifest that cannot be read is called damaged."""
    replace(copy / "bundle.json", content)
    assert f"{copy / 'bundle.json'} is damaged" in refusal(copy)


@pytest.mark.parametrize("content", [b"", b"not safetensors"])
def test_a_damaged_projection(copy: Path, content: bytes) -> None:
    """A projection without its arrays is refused even when the manifest was sealed over it."""
    manifest = open_bundle(copy).manifest
    replace(copy / "projection.safetensors", content)
    (copy / "bundle.json").unlink()
    write_manifest(copy, sealed(copy, manifest))
    assert "expected the arrays mean and components" in refusal(copy)


def test_a_damaged_onnx_file(copy: Path, bundle: Bundle) -> None:
    """A file that ONNX Runtime cannot load is an engine that is not available, not a crash."""
    replace(copy / "model.int8.onnx", (copy / "model.int8.onnx").read_bytes()[:1000])
    with pytest.raises(EngineUnavailable, match=r"cannot load .*model\.int8\.onnx; export the bundle again"):
        Classifier.load(msgspec.structs.replace(bundle, folder=copy), "cpu", threads=1)


@pytest.mark.slow
def test_damaged_weights(copy: Path, bundle: Bundle) -> None:
    """Weights that torch cannot load are an engine that is not available, too."""
    replace(copy / "model.safetensors", b"no weights")
    with pytest.raises(EngineUnavailable, match="torch cannot load the weights"):
        Classifier.load(msgspec.structs.replace(bundle, folder=copy), "torch", threads=1)


def test_a_damaged_tokenizer(copy: Path, cpu: Classifier) -> None:
    """A tokenizer that cannot be read is a bundle that cannot be used."""
    replace(copy / "tokenizer.json", b"{}")
    with pytest.raises(BundleInvalid, match=r"cannot read .*tokenizer\.json"):
        Classifier(msgspec.structs.replace(cpu.bundle, folder=copy), cpu.engine)


def test_a_plain_hugging_face_folder_serves_with_torch(plain: Path, torch: Classifier) -> None:
    """Without our manifest the labels come from the configuration, and the answers are the uncalibrated model's."""
    opened = open_bundle(plain)
    assert (opened.manifest.name, opened.manifest.labels) == ("bundle", ["negative", "positive"])
    assert (opened.manifest.temperature, opened.projection) == (1.0, None)
    assert len(opened.manifest.version) == 12
    classifier = Classifier.load(opened, "torch", threads=2)
    text = "Broke after a week."
    ids = torch.encode(text).ids
    assert classifier.forward([ids]).logits == pytest.approx(torch.forward([ids]).logits, abs=1e-6)
    assert classifier.project(classifier.forward([ids]).pooled).shape == (1, 0)
    classifier.self_check()


def test_a_plain_hugging_face_folder_does_not_serve_with_cpu(plain: Path) -> None:
    """The default engine names the command that makes a bundle of it."""
    with pytest.raises(EngineUnavailable, match="make a bundle of it with `sentiment-train export`"):
        Classifier.load(open_bundle(plain), "cpu", threads=1)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_folder_without_a_file(plain: Path, name: str) -> None:
    """A Hugging Face folder that lacks a file is told which."""
    (plain / name).unlink()
    assert f"a Hugging Face folder with {name}" in refusal(plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: json.dumps({**config, "model_type": "bert"}).encode(), "found model_type 'bert'"),
        (lambda config: json.dumps({**config, "id2label": ["a", "b"]}).encode(), "to number its labels from 0"),
        (lambda _: b"{", "is damaged"),
        (lambda _: b"[]", "is damaged"),
    ],
)
def test_a_plain_folder_with_another_configuration(
    plain: Path, change: Callable[[dict[str, Any]], bytes], message: str
) -> None:
    """What is no DistilBERT, or no configuration at all, is refused."""
    replace(plain / "config.json", change(json.loads((plain / "config.json").read_bytes())))
    assert message in refusal(plain)


def test_a_plain_folder_may_leave_out_defaults(plain: Path) -> None:
    """Labels and length that Hugging Face left out of the configuration are the ones that it assumes."""
    replace(plain / "config.json", b'{"model_type": "distilbert"}')
    manifest = open_bundle(plain).manifest
    assert (manifest.labels, manifest.max_tokens) == (["LABEL_0", "LABEL_1"], 512)


def test_the_version_is_of_what_decides_answers(copy: Path) -> None:
    """Another card or reference leaves the version as it is; other weights do not."""
    before = open_bundle(copy).manifest
    replace(copy / "README.md", b"another card")
    replace(copy / "reference.parquet", b"another reference")
    assert sealed(copy, before).version == before.version
    replace(copy / "model.int8.onnx", b"another model")
    assert sealed(copy, before).version != before.version


def test_a_sealed_bundle_opens(copy: Path) -> None:
    """What `sealed` and `write_manifest` make passes every check."""
    before = open_bundle(copy).manifest
    replace(copy / "README.md", b"another card")
    (copy / "bundle.json").unlink()
    write_manifest(copy, sealed(copy, before))
    after = open_bundle(copy).manifest
    assert after.version == before.version
    assert after.files["README.md"] == hashlib.sha256(b"another card").hexdigest()


def test_the_starter_holds_no_more_than_it_lists(starter: Path, bundle: Bundle) -> None:
    """Every file of the committed folder has its checksum in the manifest, and no pickle is among them."""
    names = {path.relative_to(starter).as_posix() for path in starter.rglob("*") if path.is_file()}
    assert names - {bundles.MANIFEST} == set(bundle.manifest.files)
    assert not {name for name in names if Path(name).suffix in {".bin", ".pt", ".pkl", ".pickle"}}


OPEN_UNPRIVILEGED = """
import os, sys
from pathlib import Path
from sentiment_api.errors import BundleInvalid
from sentiment_api.model.bundle import open_bundle
if os.geteuid() == 0:  # who may read everything
    os.setgroups([])
    os.setuid(65534)
try:
    open_bundle(Path(sys.argv[1]))
except BundleInvalid as error:
    print(error)
"""


@pytest.mark.parametrize("name", [".", "bundle.json", "model.int8.onnx", "projection.safetensors"])
def test_what_this_user_cannot_read_is_refused_with_the_remedy(starter: Path, data_dir: Path, name: str) -> None:
    """The message names the file and says who has to be able to read it."""
    folder = data_dir / "bundle"
    folder.mkdir()
    for path in starter.iterdir():
        (folder / path.name).symlink_to(path)
    if name != ".":
        replace(folder / name, (starter / name).read_bytes())
    data_dir.chmod(0o755)
    (folder / name).chmod(0)
    opened = subprocess.run(
        [sys.executable, "-c", OPEN_UNPRIVILEGED, str(folder)], capture_output=True, text=True, check=False
    )
    assert re.fullmatch(
        rf"cannot read {re.escape(str(folder / name))}.*: Permission denied; the user that runs this has to be able to "
        rf"enter {folder} and to read every file in it\n",
        opened.stdout,
    ), opened


def test_a_folder_in_place_of_a_file_is_refused(copy: Path) -> None:
    """What the system says of it stands in the message, as for any other file that cannot be read."""
    (copy / "bundle.json").unlink()
    (copy / "bundle.json").mkdir()
    with pytest.raises(BundleInvalid, match=r"cannot read .*bundle\.json: Is a directory; the user that runs this"):
        open_bundle(copy)
