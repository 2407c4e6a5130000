"""Parses bodies and queries into pydantic models. Errors name the field and never quote its value."""

import json
import re
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from sentiment_api.errors import FieldError, NotJson, RequestInvalid
from sentiment_api.schemas.json_bodies import NOT_JSON, checked_json
from sentiment_api.schemas.limits import MAX_SINGLE_VALUES

M = TypeVar("M", bound=BaseModel)
_MAX_ERRORS = 100
_MAX_PARAMETERS = 32
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_LONE_SURROGATE = "must not contain lone surrogates (U+D800 to U+DFFF)"


def parse(model: type[M], body: bytes, max_values: int = MAX_SINGLE_VALUES) -> M:
    """Return `body` as a `model`.

    Raises:
        NotJson: the body is not JSON in UTF-8.
        RequestInvalid: the body holds more than `max_values` values; or with one error for each field that failed.
    """
    body = checked_json(body, max_values)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            refusal: NotJson | RequestInvalid = _why_not_json(body)
        else:
            refusal = RequestInvalid(field_errors(error))
    # Outside the handler, or pydantic's error, which quotes the body, would be the context of ours.
    raise refusal


def parse_query(model: type[M], query: bytes) -> M:
    """Return a URL's query as a `model`.

    Raises:
        RequestInvalid: with one error for each parameter that failed.
    """
    pairs = _pairs(query)
    if pairs is None:
        message = f"expected at most {_MAX_PARAMETERS} parameters, in percent-encoded UTF-8"
        raise RequestInvalid([FieldError("", message)])
    given = dict(pairs)
    if repeated := [name for name in given if sum(name == other for other, _ in pairs) > 1]:
        raise RequestInvalid([FieldError(_path((name,)), "must be given once") for name in repeated])
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        refusal = RequestInvalid(field_errors(error))
    raise refusal  # outside the handler, as in `parse`


def _pairs(query: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return None


def field_errors(error: ValidationError, within: tuple[int | str, ...] = ()) -> list[FieldError]:
    """Return an error for each field that failed, with paths below `within`. Messages state the rule, not the value.

    After a hundred errors the rest is left out.
    """
    problems = error.errors(include_url=False, include_input=False, include_context=False)[:_MAX_ERRORS]
    return [
        FieldError(_path((*within, *problem["loc"])), _message(problem["type"], problem["msg"])) for problem in problems
    ]


def _message(kind: str, text: str) -> str:
    if kind == "uuid_parsing":  # pydantic's own message quotes the value
        return "Input should be a valid UUID"
    return text.removeprefix("Value error, ")


def _path(location: tuple[int | str, ...]) -> str:
    """Return `items[3].text` for `("items", 3, "text")`. A key that a client invented is shown only if it is plain."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            name = step if _PLAIN_KEY.fullmatch(step) else "(key)"
            path += f".{name}" if path else name
    return path


def _why_not_json(body: bytes) -> NotJson | RequestInvalid:
    """Return why pydantic could not read the body. Lone surrogates are valid JSON but no text: an error at a field."""
    try:
        found = _surrogate_path(json.loads(body, parse_constant=_refuse_constant), ())
    except (ValueError, RecursionError):
        return NotJson(NOT_JSON)
    if found is None:
        return NotJson(NOT_JSON)
    return RequestInvalid([FieldError(_path(found), _LONE_SURROGATE)])


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _surrogate_path(value: Any, path: tuple[int | str, ...]) -> tuple[int | str, ...] | None:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return path if any("\ud800" <= character <= "\udfff" for character in value) else None
    children: list[tuple[int | str, Any]] = []
    if isinstance(value, dict):
        if any(_surrogate_path(key, path) is not None for key in value):
            return (*path, "(key)")
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return next((found for key, child in children if (found := _surrogate_path(child, (*path, key))) is not None), None)
