"""Colours and what a panel's configuration says of one of its series or values."""

import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
PALETTE = ("#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300")
"""Grafana's classic one."""
INK, FAINT = "#24292e", "#8e8e8e"
_NAMED = {"green": "#37872D", "orange": "#E0752D", "red": "#C4162A", "text": FAINT, "blue": "#1F60C4"}
_ANY = ".+"
"""The only pattern of a mapping that we have."""


@dataclass(frozen=True)
class Look:
    """How one series or column is shown: the panel's defaults, and what its overrides say of this name."""

    unit: str
    decimals: int | None
    custom: Json
    steps: list[Json]
    mappings: Json = field(default_factory=dict)
    colour: str | None = None

    def colour_of(self, value: float) -> str:
        """Return the colour of a value by the thresholds."""
        reached = [step["color"] for step in self.steps if step["value"] is None or value >= step["value"]]
        return _NAMED[reached[-1]]

    def mapped(self, value: object) -> tuple[str, str] | None:
        """Return the text and the colour that stand for a value, if some do."""
        key = str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
        found = self.mappings.get(key) or self.mappings.get(_ANY)
        return None if found is None else (found["text"], _NAMED[found.get("color", "blue")])


def named(colour: str) -> str:
    """Return one of Grafana's named colours."""
    return _NAMED.get(colour, colour)


def look_of(panel: Json, name: str) -> Look:
    """Return how a series or column of this name is shown in a panel."""
    settings = panel["fieldConfig"]["defaults"] | _overridden(panel, name)
    mappings: Json = {}
    for mapping in settings.get("mappings", []):
        mappings |= mapping["options"] if mapping["type"] == "value" else {_ANY: mapping["options"]["result"]}
    colour = settings.get("color", {})
    return Look(
        unit=settings["unit"],
        decimals=settings.get("decimals"),
        custom=settings.get("custom", {}),
        steps=settings["thresholds"]["steps"],
        mappings=mappings,
        colour=named(colour["fixedColor"]) if colour.get("mode") == "fixed" else None,
    )


def _overridden(panel: Json, name: str) -> Json:
    found: Json = {}
    custom = dict(panel["fieldConfig"]["defaults"].get("custom", {}))
    for override in panel["fieldConfig"]["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), name):
            for each in override["properties"]:
                part, _, rest = each["id"].partition(".")
                if part == "custom":
                    custom[rest] = each["value"]
                else:
                    found[part] = each["value"]
    return found | {"custom": custom}
