"""What is kept of a text, and the key of its hash."""

import secrets
import subprocess
import sys
import threading
from hashlib import blake2b
from pathlib import Path

import pytest
from litestar.testing import TestClient
from pydantic import SecretStr

from sentiment_api.app import create_app
from sentiment_api.errors import SettingsInvalid
from sentiment_api.model.classifier import Classifier
from sentiment_api.prediction_log.text_policy import DIGEST_BYTES, TextKeeper, read_or_make_key
from sentiment_api.settings import ServiceSettings

KEY = b"k" * 32

SYNCING_MAKER = """
import os, sys
from pathlib import Path
from sentiment_api.errors import SettingsInvalid
from sentiment_api.prediction_log.text_policy import read_or_make_key
def told(call):
    def tell(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            print("folder:", *(each.name for each in path.iterdir()))
        else:
            print(f"file of {path.stat().st_size} bytes: {path.name.rpartition('.key')[0]}.key")
        call(descriptor)
    return tell
def linking(existing, name, **options):
    print("link:", Path(name).name)
    link(existing, name, **options)
link = os.link
os.fsync, os.fdatasync, os.link = told(os.fsync), told(os.fdatasync), linking
read_or_make_key(Path(sys.argv[1]))
"""


def test_the_policy_full_keeps_the_text() -> None:
    """With `full` the text is logged as it came."""
    assert TextKeeper("full", KEY).kept("I paid with card 1234.") == "I paid with card 1234."


def test_the_policy_none_keeps_no_text() -> None:
    """With `none` no text reaches the log."""
    assert TextKeeper("none", KEY).kept("I paid with card 1234.") is None


def test_the_policy_redacted_keeps_what_is_left() -> None:
    """With `redacted` the placeholder is logged, and the hash is still that of the text as it came."""
    keeper = TextKeeper("redacted", KEY)
    text = "Mail me at joe@shop.example."
    assert keeper.kept(text) == "Mail me at [email]."
    assert keeper.digest(text) == TextKeeper("full", KEY).digest(text)


def test_the_hash_is_keyed() -> None:
    """Equal texts have equal hashes under one key, and other keys or texts give other hashes."""
    digest = TextKeeper("none", KEY).digest("Größe 😀")
    assert digest == blake2b("Größe 😀".encode(), key=KEY, digest_size=16).digest()
    assert len(digest) == DIGEST_BYTES == 16
    assert digest == TextKeeper("full", KEY).digest("Größe 😀")
    assert digest != TextKeeper("none", b"another key").digest("Größe 😀")
    assert digest != TextKeeper("none", KEY).digest("Grösse 😀")


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    """The first call makes 32 random bytes that only this user can read, and later calls return them."""
    folder = tmp_path / "data"
    key = read_or_make_key(folder)
    assert len(key) == 32
    assert read_or_make_key(folder) == key
    assert [path.name for path in folder.iterdir()] == ["text-hash.key"]
    assert (folder / "text-hash.key").stat().st_mode & 0o777 == 0o600
    assert read_or_make_key(tmp_path / "other") != key


@pytest.mark.parametrize("size", [0, 15, 65])
def test_what_is_no_key_is_refused(tmp_path: Path, size: int) -> None:
    """A key that would keep nothing secret, or be too long for the hash, is refused before anything is hashed."""
    (tmp_path / "text-hash.key").write_bytes(b"\n" * size)
    with pytest.raises(SettingsInvalid) as caught:
        read_or_make_key(tmp_path)
    assert f"expected a key of 16 to 64 bytes in {tmp_path}/text-hash.key, found {size} bytes; " in str(caught.value)
    assert "\\n" not in repr(str(caught.value))


@pytest.mark.parametrize("size", [16, 64])
def test_a_key_may_come_from_elsewhere(tmp_path: Path, size: int) -> None:
    """The shortest and the longest key are taken, and texts can be hashed with them."""
    key = secrets.token_bytes(size)
    (tmp_path / "text-hash.key").write_bytes(key)
    assert len(TextKeeper("none", read_or_make_key(tmp_path)).digest("Works.")) == DIGEST_BYTES


def test_the_key_has_its_name_when_it_is_on_the_disk(tmp_path: Path) -> None:
    """A power cut leaves a whole key or none: its bytes are synced before it has the name, then the name is."""
    command = [sys.executable, "-c", SYNCING_MAKER, str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == [
        "folder: data",
        "file of 32 bytes: .text-hash.key",
        "link: text-hash.key",
        "folder: text-hash.key",
    ]


def test_processes_that_start_at_once_share_a_key(tmp_path: Path) -> None:
    """A key that appears between the look and the write is taken, not replaced."""
    (tmp_path / "text-hash.key").write_bytes(KEY)
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(read_or_make_key(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys == [KEY] * 4


def test_what_is_redacted_never_reaches_the_disk(
    cpu: Classifier, starter: Path, tmp_path: Path, closed_port: int
) -> None:
    """With `redacted` the spool holds the text without the address, though the model has read all of it."""
    settings = ServiceSettings(
        database=None,
        database_url=SecretStr(f"postgresql://postgres@127.0.0.1:{closed_port}/postgres"),
        data_dir=tmp_path,
        model=starter,
        text_policy="redacted",
        drain_timeout_s=0.1,
    )
    text = "Mail me at joe@shop.example, it broke."
    with TestClient(create_app(settings, cpu), base_url="http://127.0.0.1") as client:
        prediction = client.post("/predict", json={"text": text}).json()
        logged = client.get(f"/predictions/{prediction['prediction_id']}").json()
    assert logged["text"] == "Mail me at [email], it broke."
    assert prediction["tokens"] == cpu.encode_windows(text).tokens
    spooled = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"[email]" in spooled
    assert b"joe@" not in spooled
