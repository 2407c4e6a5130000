"""Options that belong together, as one parameter of a command: a Struct whose fields are options each."""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, get_args, get_type_hints

import msgspec
from typer.models import OptionInfo

Command = Callable[..., None]


def grouped_options(command: Command) -> Command:
    """Return `command` as Typer takes it: each parameter that is a Struct is replaced by options for its fields.

    A field is an option when it is declared as one, `Annotated[float, typer.Option(...)]`; its default is the option's.
    The others keep their defaults.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)}
    options = {name: list(_options(kind)) for name, kind in groups.items()}
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        plain = parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        parameters += options.get(parameter.name, [plain])

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - what the options were given
        for name, kind in groups.items():
            given[name] = kind(**{option.name: given.pop(option.name) for option in options[name]})
        command(**given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by Typer through `inspect`
    return run


def _options(group: type[msgspec.Struct]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in msgspec.structs.fields(group):
        annotation = hints[field.name]
        if any(isinstance(each, OptionInfo) for each in get_args(annotation)[1:]):
            yield inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation
            )
