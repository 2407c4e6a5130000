"""Ctrl-C and SIGTERM during a fit: the step is ended and a checkpoint written before the process goes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """What was asked of the process meanwhile."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.signal_number = 0
        """0 while nothing was asked."""

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; a second one of its kind ends the process as if nobody listened."""
        del frame
        self.signal_number = number
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def noted_signals() -> Iterator[Interruption]:
    """Note Ctrl-C and SIGTERM instead of ending; outside the main thread, which alone may listen, note nothing."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = [signal.signal(number, interruption.note) for number in _SIGNALS]
    try:
        yield interruption
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)
