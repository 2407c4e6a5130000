"""How the word for a verdict looks in a table."""

from deploy.grafana.generator.panels import Json, override

_WORDS: Json = {
    "not_judged": {"text": "not judged", "color": "text"},
    "none": {"text": "none", "color": "green"},
    "watch": {"text": "watch", "color": "orange"},
    "drift": {"text": "drift", "color": "red"},
}
VERDICT_COLUMN = override(
    "^verdict$",
    mappings=[{"type": "value", "options": _WORDS}],
    custom__cellOptions={"type": "color-text"},
    custom__width=100,
)
"""Of every table with a column `verdict`."""
