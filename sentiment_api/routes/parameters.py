"""The parameters that OpenAPI is told of by us, as Litestar is not given them: the edge leaves it no query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Operation, Parameter, Schema
from pydantic import BaseModel


def with_parameters(*parameters: Parameter) -> type[Operation]:
    """Return the class of an operation that has these parameters beside those that Litestar knows."""

    @dataclass
    class WithParameters(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *parameters]

    return WithParameters


def query_parameters(model: type[BaseModel]) -> list[Parameter]:
    """Return the fields of the model as parameters of a query, each with its bounds."""
    return [_query_parameter(name, schema) for name, schema in model.model_json_schema()["properties"].items()]


def header_parameter(name: str, values: Sequence[str], description: str) -> Parameter:
    """Return a header that may be left out and else has one of the values."""
    schema = Schema(type=OpenAPIType.STRING, enum=list(values))
    return Parameter(name=name, param_in="header", schema=schema, description=description)


def id_parameter(name: str, description: str) -> Parameter:
    """Return a UUID within a path."""
    schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID)
    return Parameter(name=name, param_in="path", required=True, schema=schema, description=description)


def _query_parameter(name: str, schema: dict[str, Any]) -> Parameter:
    """Return pydantic's description of a field as one of a parameter, which is there or is not, and never null."""
    kind = schema.get("anyOf", [schema])[0]
    described = Schema(
        type=OpenAPIType(kind["type"]),
        format=kind.get("format"),
        enum=kind.get("enum"),
        min_length=kind.get("minLength"),
        max_length=kind.get("maxLength"),
        minimum=kind.get("minimum"),
        maximum=kind.get("maximum"),
        default=schema.get("default"),
    )
    return Parameter(name=name, param_in="query", schema=described, description=schema.get("description"))
