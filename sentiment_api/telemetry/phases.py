"""Where the time of a request goes. Whoever does the work notes it here; `tracing` makes spans of it.

Nothing is noted unless the request is traced: then `phases_at_hand` is None, and asking costs some 30 ns.
"""

from contextvars import ContextVar
from dataclasses import dataclass

TOKENIZE = "tokenize"
QUEUE = "queue"
INFERENCE = "inference"
SPOOL = "spool append"


@dataclass
class Phase:
    """From when to when, on the clock of `time.monotonic`, and for how many texts."""

    began_s: float
    ended_s: float
    texts: int


class Phases:
    """The phases of one request, by name. Its handler's thread alone writes here."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self.noted: dict[str, Phase] = {}

    def note(self, name: str, began_s: float, ended_s: float, texts: int = 1) -> None:
        """Note what was done, on the clock of `time.monotonic`.

        What is noted again, for further texts of a batch, reaches from the first beginning to the last end.
        """
        phase = self.noted.get(name)
        if phase is None:
            self.noted[name] = Phase(began_s, ended_s, texts)
            return
        phase.began_s = min(phase.began_s, began_s)
        phase.ended_s = max(phase.ended_s, ended_s)
        phase.texts += texts


_AT_HAND: ContextVar[Phases | None] = ContextVar("phases", default=None)


def phases_at_hand() -> Phases | None:
    """Return where to note the phases of the request that is being handled; None when nobody wants to know."""
    return _AT_HAND.get()


def keep_phases(phases: Phases | None) -> None:
    """Have the phases of the request that is beginning noted there, or nowhere."""
    _AT_HAND.set(phases)
