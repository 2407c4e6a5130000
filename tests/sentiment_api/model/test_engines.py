"""The registry of engines: one list, which settings and command lines follow."""

from pkgutil import resolve_name
from typing import get_args

import pytest

from sentiment_api.model.engines import ENGINES, EngineName
from sentiment_api.settings import ModelSettings


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_can_be_chosen_and_is_where_it_is_said_to_be(name: str) -> None:
    """The settings take each by its name, and the class at its path has the same name."""
    assert ModelSettings.model_validate({"engine": name}).engine == name
    assert resolve_name(ENGINES[name].path).name == name


def test_no_engine_is_offered_that_there_is_not() -> None:
    """The names that settings and command lines offer are the registry's."""
    assert get_args(EngineName) == tuple(ENGINES)
