"""What is kept of a text by policy: itself, itself redacted or nothing; and always a keyed hash of the original."""

import contextlib
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from sentiment_api.redaction import Redactor

TextPolicy = Literal["full", "redacted", "none"]
DIGEST_BYTES = 16


class TextKeeper:
    """Applies the text policy before anything is written."""

    def __init__(self, policy: TextPolicy, key: bytes, phone_region: str = "US") -> None:
        """`key` is at most 64 bytes; whoever has it can test whether a guessed text was sent.

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
    """Return the hash key kept in `data_dir`, making one on first use that only this user can read."""
    path = data_dir / "text-hash.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            fresh.touch(mode=0o600)
            fresh.write_bytes(secrets.token_bytes(32))
            # A link, not a rename: when two processes start at once the first key stays.
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(fresh)
        finally:
            fresh.unlink(missing_ok=True)
    return path.read_bytes()
