"""`calibrate`: how often quiet windows would raise an alarm."""

import re

import pytest

from tests.protocols import ExitCode

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment", "undrawn")]


async def test_calibrate_prints_what_to_expect(exit_code: ExitCode, capsys: pytest.CaptureFixture[str]) -> None:
    """One table row for each size: rates of false alarms with bounds, alarms in a year. The second time is quick."""
    for err in ("calibrating: quiet windows of 100 rows of auto:bundle, for the first time (200)", ""):
        assert await exit_code("calibrate", "--size", "100") == 0
        printed = capsys.readouterr()
        assert all(name in printed.out for name in ("windows", "products", "watch rate", "drift rate", "alarms a year"))
        assert re.search(r"100 .* 200 .* % \([0-9.]+ %\).* % \([0-9.]+ %\)", printed.out)
        assert err in printed.err
