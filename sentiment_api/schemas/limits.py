"""The bounds of what a request may hold. Schemas, OpenAPI, error messages and `GET /model` derive from them."""

from typing import Final

MAX_TEXT_CHARACTERS: Final = 20_000
MAX_BATCH_ITEMS: Final = 256
MAX_SINGLE_BYTES: Final = 1 << 20
MAX_BATCH_BYTES: Final = 8 << 20
MAX_FEEDBACK_BYTES: Final = 64 << 10
MAX_SINGLE_VALUES: Final = 4096
MAX_BATCH_VALUES: Final = 16_384
MAX_METADATA_KEYS: Final = 32
MAX_METADATA_BYTES: Final = 4096
MAX_PAGE: Final = 200
LIMITS: Final = {
    "text_characters": MAX_TEXT_CHARACTERS,
    "batch_items": MAX_BATCH_ITEMS,
    "metadata_keys": MAX_METADATA_KEYS,
    "metadata_bytes": MAX_METADATA_BYTES,
    "single_body_bytes": MAX_SINGLE_BYTES,
    "batch_body_bytes": MAX_BATCH_BYTES,
    "feedback_body_bytes": MAX_FEEDBACK_BYTES,
    "single_body_values": MAX_SINGLE_VALUES,
    "batch_body_values": MAX_BATCH_VALUES,
}
"""What `GET /model` lists, by the names that clients know."""
