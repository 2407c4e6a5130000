"""Errors as RFC 9457 has them. Which failure has which status is in `sentiment_api.http.problems`."""

import msgspec


class FieldProblem(msgspec.Struct, frozen=True):
    """One field that failed."""

    path: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: list[FieldProblem] = []
