"""The phases of a request: where its time went. The code that does the work notes them; `spans` makes spans of them.

If the request is not traced, `current_phases` returns None, which costs about 30 ns.
"""

from contextvars import ContextVar
from dataclasses import dataclass

TOKENIZE = "tokenize"
QUEUE = "queue"
INFERENCE = "inference"
SPOOL = "spool append"


@dataclass
class Phase:
    """Begin and end by `time.monotonic`, and the number of texts."""

    began_s: float
    ended_s: float
    texts: int


class Phases:
    """The phases of one request, by name. Only the thread of its handler writes here."""

    def __init__(self) -> None:
        self.noted: dict[str, Phase] = {}

    def note(self, name: str, began_s: float, ended_s: float, texts: int = 1) -> None:
        """Note a phase, in seconds of `time.monotonic`.

        A phase noted again, for further texts of a batch, extends from the first beginning to the last end.
        """
        phase = self.noted.get(name)
        if phase is None:
            self.noted[name] = Phase(began_s, ended_s, texts)
            return
        phase.began_s = min(phase.began_s, began_s)
        phase.ended_s = max(phase.ended_s, ended_s)
        phase.texts += texts


_CURRENT: ContextVar[Phases | None] = ContextVar("phases", default=None)


def current_phases() -> Phases | None:
    """Return the phases of the current request, or None if it is not traced."""
    return _CURRENT.get()


def set_current_phases(phases: Phases | None) -> None:
    """Set where the phases of the current request are noted; None if it is not traced."""
    _CURRENT.set(phases)
