"""Waiting for what another process does."""

import time
from collections.abc import Callable

PATIENCE_S = 180.0
"""Long, for slow machines: what does not come by then does not come."""
_POLL_S = 0.05


class WaitedInVain(Exception):
    """The message says for what, and how long."""


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as `condition` holds.

    Raises:
        WaitedInVain: it did not come to hold in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise WaitedInVain(f"waited {timeout_s:.0f} s in vain until {what}")
        time.sleep(_POLL_S)


def let_pass(seconds: float) -> None:
    """Return when so much time has passed."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, "the time has passed", seconds + PATIENCE_S)
