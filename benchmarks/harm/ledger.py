"""What the service acknowledged, noted the moment each reply was read, and what Postgres holds of it."""

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from benchmarks.client import Reply

_TAKEN = (200, 202)


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it. Times are those of `time.perf_counter`."""

    path: str
    status: int
    """0 when no whole reply came."""
    sent_at: float | None
    """None when there was no connection to send it on."""
    answered_before: bool
    """Whether the connection was one that the service had answered on."""
    ended_at: float


class Ledger:
    """The notes of one repetition. One thread writes; others may read."""

    def __init__(self) -> None:
        """Nothing is acknowledged yet."""
        self.predictions: list[UUID] = []
        """The `prediction_id`s of 200s, those in batches too."""
        self.feedback: list[UUID] = []
        """The `prediction_id`s whose feedback was acknowledged."""
        self.exchanges: list[Exchange] = []
        self._refused_items = 0

    def note_predictions(self, path: str, reply: Reply) -> list[UUID]:
        """Note the reply to `/predict` or `/predict/batch`; return the ids in it."""
        self._note(path, reply)
        if reply.status != 200:
            return []
        body = json.loads(reply.body)
        results = body.get("results", [body])
        found = [UUID(each["prediction_id"]) for each in results if "prediction_id" in each]
        self.predictions += found
        self._refused_items += len(results) - len(found)
        return found

    def note_feedback(self, prediction_id: UUID, reply: Reply) -> None:
        """Note the reply to feedback for this prediction, which is given once at most."""
        self._note("/feedback", reply)
        if reply.status in _TAKEN:
            self.feedback.append(prediction_id)

    def refused(self) -> Counter[str]:
        """Return how many requests, and items of batches, were not taken, by status."""
        found = Counter(str(each.status or "no reply") for each in self.exchanges if each.status not in _TAKEN)
        return found + Counter({"item of a batch": self._refused_items})

    def _note(self, path: str, reply: Reply) -> None:
        self.exchanges.append(Exchange(path, reply.status, reply.sent_at, reply.answered_before, time.perf_counter()))


@dataclass(frozen=True)
class Count:
    """Acknowledged ids beside stored ones, of predictions or of feedback."""

    acknowledged: int
    stored: int
    """Rows."""
    missing: int
    """Acknowledged and not stored, though no harm was done to their bytes."""
    touched: int
    """Acknowledged and not stored: harm was done to the very bytes, which nothing can survive."""
    doubled: int
    """Rows beyond the first of an id, and ids that were given out twice."""
    unacknowledged: int
    """Stored and not acknowledged: the reply never arrived. That is allowed."""

    @classmethod
    def of(cls, acknowledged: Collection[UUID], stored: Collection[UUID], touched: Iterable[UUID] = ()) -> "Count":
        """Compare. `touched` are ids that may be missing."""
        lost = set(acknowledged) - set(stored)
        excused = lost & set(touched)
        return cls(
            acknowledged=len(acknowledged),
            stored=len(stored),
            missing=len(lost - excused),
            touched=len(excused),
            doubled=_doubled(acknowledged) + _doubled(stored),
            unacknowledged=len(set(stored) - set(acknowledged)),
        )


@dataclass
class Outcome:
    """What came of one repetition of a case."""

    case: str
    seed: int
    blows: int
    """How often harm was done, where it was done more than once."""
    outage_s: float
    seconds: float
    predictions: Count
    feedback: Count
    refused: dict[str, int]
    problems: list[str] = field(default_factory=list)
    """What else was not as it must be."""

    @property
    def passed(self) -> bool:
        """Whether nothing was lost or doubled, and all else was as it must be."""
        counts = (self.predictions, self.feedback)
        return not self.problems and not any(each.missing or each.doubled for each in counts)

    def line(self) -> str:
        """Return it as one line."""
        refused = ", ".join(f"{number} {status}" for status, number in sorted(self.refused.items())) or "none"
        return (
            f"{'ok  ' if self.passed else 'FAIL'} {self.case:<24} seed {self.seed:<10} {self.seconds:5.1f} s; "
            f"predictions {_said(self.predictions)}; feedback {_said(self.feedback)}; refused {refused}"
            + "".join(f"\n     {problem}" for problem in self.problems)
        )


def _said(count: Count) -> str:
    numbers: dict[str, Any] = {
        "acknowledged": count.acknowledged,
        "stored": count.stored,
        "missing": count.missing,
        "doubled": count.doubled,
        "not acknowledged": count.unacknowledged,
    }
    return " ".join(f"{number} {name}" for name, number in (numbers | _if_any("touched", count.touched)).items())


def _if_any(name: str, number: int) -> dict[str, int]:
    return {name: number} if number else {}


def _doubled(ids: Collection[UUID]) -> int:
    return len(ids) - len(set(ids))
