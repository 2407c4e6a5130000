"""How Grafana writes numbers: by a panel's unit, with as many digits as a reader needs."""

import datetime as dt
import math

_SCALES = {
    "short": (((1e9, "B"), (1e6, "M"), (1e3, "K")), ""),
    "bytes": (((1024.0**4, "TiB"), (1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB")), "B"),
    "s": (((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")), "s"),
}
"""From which value on which unit, and that of what is smaller."""
_PER_SECOND = {"reqps": " req/s", "ops": " ops/s"}


def formatted(value: object, unit: str = "none", decimals: int | None = None) -> str:
    """Return a value as a panel of this unit shows it; texts stay as they are, and nothing is a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if not isinstance(value, int | float):
        return str(value)
    return _number(float(value), unit, decimals)


def _number(value: float, unit: str, decimals: int | None) -> str:
    if unit == "percentunit":
        return f"{_rounded(value * 100, decimals)} %"
    if unit in _SCALES:
        return _scaled(value, *_SCALES[unit], decimals)
    return _rounded(value, decimals) + _PER_SECOND.get(unit, "")


def _scaled(value: float, scales: tuple[tuple[float, str], ...], smallest: str, decimals: int | None) -> str:
    for scale, name in scales:
        if abs(value) >= scale * 0.9995:
            return f"{_rounded(value / scale, decimals)} {name}"
    return f"{_rounded(value, decimals)} {smallest}".strip()


def _rounded(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    digits = (
        0 if value == round(value) or abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    )
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
