"""What is kept of a text, and the key of its hash."""

import threading
from hashlib import blake2b
from pathlib import Path

from sentiment_api.privacy import DIGEST_BYTES, TextKeeper, read_or_make_key

KEY = b"k" * 32


def test_the_policy_full_keeps_the_text() -> None:
    """With `full` the text is logged as it came."""
    assert TextKeeper("full", KEY).kept("I paid with card 1234.") == "I paid with card 1234."


def test_the_policy_none_keeps_no_text() -> None:
    """With `none` no text reaches the log."""
    assert TextKeeper("none", KEY).kept("I paid with card 1234.") is None


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
