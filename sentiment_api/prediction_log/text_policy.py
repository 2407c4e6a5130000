"""What is kept of a text by policy: itself, itself redacted or nothing; and always a keyed hash of the original."""

import contextlib
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from sentiment_api.errors import SettingsInvalid
from sentiment_api.files import publish_once, sync_folder, write_whole
from sentiment_api.prediction_log.redaction import Redactor

TextPolicy = Literal["full", "redacted", "none"]
DIGEST_BYTES = 16
MIN_KEY_BYTES, MAX_KEY_BYTES = 16, 64
"""Of the hash's key. BLAKE2b takes no longer ones, and an empty one as none at all."""


class TextKeeper:
    """Applies the text policy before anything is written."""

    def __init__(self, policy: TextPolicy, key: bytes, phone_region: str = "US") -> None:
        """`key` is at most `MAX_KEY_BYTES` long; whoever has it can test whether a guessed text was sent.

        Raises:
            SettingsInvalid: `phone_region` is no country's.
        """
        self._policy = policy
        self._redactor = Redactor(phone_region)
        self._key = key

    def kept(self, text: str) -> str | None:
        """Return what the prediction log may keep of `text`."""
        if self._policy == "redacted":
            return self._redactor.redact(text)
        return text if self._policy == "full" else None

    def digest(self, text: str) -> bytes:
        """Return the keyed BLAKE2b hash of `text`, `DIGEST_BYTES` long: equal texts can be found, texts cannot.

        It is that of the text as it came, whatever is kept of it.
        """
        return blake2b(text.encode(), key=self._key, digest_size=DIGEST_BYTES).digest()


def read_or_make_key(data_dir: Path) -> bytes:
    """Return the hash key kept in `data_dir`, making one on first use that only this user can read.

    Raises:
        SettingsInvalid: what is kept there is too short to keep anybody from guessing texts, or too long for the hash;
            or it cannot be read or written.
    """
    path = data_dir / "text-hash.key"
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(
            f"expected to read the key of the text hashes in {path}, or to make it, found {error.strerror}; run as the "
            "user that made it, or give this one the rights"
        ) from error
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise SettingsInvalid(
            f"expected a key of {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes in {path}, found {len(key)} bytes; restore it "
            "from a backup, or remove it to have another key made, under which texts have other hashes than before"
        )
    return key


def _make_key(path: Path) -> None:
    """Make a key that survives a power cut before any text is hashed with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # not all that hold the folder may be read or synced by us
        sync_folder(path.parent.parent)
    # When two processes start at once they share the key of the first.
    write_whole(path, secrets.token_bytes(32), mode=0o600, publish=publish_once)
