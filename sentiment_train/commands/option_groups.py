"""Options that fill one parameter of a command: a Struct of the domain, some of whose fields are options."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, get_type_hints

import msgspec
from typer.models import OptionInfo

from sentiment_api.signatures import declare_parameters, keyword

Command = Callable[..., None]
OptionGroup = Mapping[str, OptionInfo]
"""By field of a Struct, its option. The type and the default are the field's."""


def grouped_options(**groups: OptionGroup) -> Callable[[Command], Command]:
    """Return a decorator that replaces parameters, each of them a Struct, by the options of its group.

    Fields without an option keep their defaults.
    """

    def decorated(command: Command) -> Command:
        hints = get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command).parameters.items():
            plain = [keyword(name, hints[name], parameter.default)]
            parameters += _options(hints[name], groups[name]) if name in groups else plain

        @wraps(command)
        def run(**given: Any) -> None:  # noqa: ANN401 - what the options were given
            for name, group in groups.items():
                given[name] = hints[name](**{field: given.pop(field) for field in group})
            command(**given)

        declare_parameters(run, parameters)
        return run

    return decorated


def _options(struct: type[msgspec.Struct], group: OptionGroup) -> list[inspect.Parameter]:
    types, fields = get_type_hints(struct), {field.name: field for field in msgspec.structs.fields(struct)}
    annotated: Any = Annotated  # its arguments are no types that mypy could know
    return [keyword(name, annotated[types[name], option], fields[name].default) for name, option in group.items()]
