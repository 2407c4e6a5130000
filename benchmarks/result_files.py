"""What benchmarks write: figures as JSON, with the machine and the date, and tables as Markdown beside them."""

import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
_ABILITIES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
"""Those of a processor that decide int8 speed."""


def write(
    folder: Path,
    name: str,
    figures: Mapping[str, Any],
    table: str = "",
    *,
    default: Callable[[object], object] | None = None,
) -> None:
    """Write `NAME.json`, the machine first, and `NAME.md` when there is a table; `default` is that of `json.dumps`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(), **figures}, indent=2, default=default)
    (folder / f"{name}.json").write_text(text + "\n")
    if table:
        (folder / f"{name}.md").write_text(table + "\n")


def read(folder: Path, name: str) -> Figures:
    """Return what `NAME.json` holds, without its machine; nothing when there is no such file."""
    path = folder / f"{name}.json"
    found: Figures = json.loads(path.read_text()) if path.exists() else {}
    found.pop("machine", None)
    return found


def machine() -> Figures:
    """Return the date, the processor with its abilities, the cores, the system and the Python."""
    processor, flags = _processor()
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": processor,
        "abilities": [each for each in _ABILITIES if each in flags],
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def conditions() -> str:
    """Return date, processor and cores in words, as tables begin with."""
    about = machine()
    return f"{about['date']}, {about['processor']}, {about['cores']} cores"


def table(*rows: Sequence[str]) -> str:
    """Return a table in Markdown; the first row is its head."""
    head, *others = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *others))


def medians(rounds: Sequence[Figures]) -> Figures:
    """Return the median of each figure, at whatever depth, to four digits after the point."""
    return {
        name: medians([each[name] for each in rounds])
        if isinstance(rounds[0][name], dict)
        else round(statistics.median(each[name] for each in rounds), 4)
        for name in rounds[0]
    }


def _processor() -> tuple[str, set[str]]:
    """Return the model's name and its flags, as Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    return fields.get("model name", platform.machine()), set(fields.get("flags", "").split())
