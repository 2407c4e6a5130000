"""What the figures were measured on, for the record beside them."""

import datetime as dt
import os
import platform
from pathlib import Path


def describe() -> dict[str, str | int | list[str]]:
    """Return the date, the processor with those of its abilities that decide int8 speed, the cores and the Python."""
    processor, flags = _processor()
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": processor,
        "abilities": [each for each in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if each in flags],
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> tuple[str, set[str]]:
    """Return the model's name and its flags, as Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    return fields.get("model name", platform.machine()), set(fields.get("flags", "").split())
