"""Functions whose parameters are made when the program starts, for frameworks that read signatures.

Typer has no groups of options, and Litestar no query models: both want one parameter of a function for each. Written
out, the drift job's options would stand in four commands, and those of a recipe or a query beside the fields that they
fill. So parameters are made from what is declared already. This is the only place that sets a signature.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any


def keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:  # noqa: ANN401 - an annotation and its default
    """Return a parameter that is given by its name."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def declare_parameters(
    function: Callable[..., Any], parameters: Iterable[inspect.Parameter], returned: type | None = None
) -> None:
    """Let frameworks read these parameters and what is `returned` from `function`, which takes any keywords."""
    signature = inspect.Signature(list(parameters), return_annotation=returned)
    declared = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    function.__annotations__ = declared | {"return": returned}
    function.__signature__ = signature  # type: ignore[attr-defined] # what `inspect.signature` returns
