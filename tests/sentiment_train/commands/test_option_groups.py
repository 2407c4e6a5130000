"""Options that fill a Struct: each field has one, with the field's own type and default."""

import inspect
from typing import get_args

import pytest

from sentiment_train.commands.fit import fit
from sentiment_train.commands.fit_options import FIT_RUN, RECIPE
from sentiment_train.commands.option_groups import OptionGroup
from sentiment_train.fitting.recipe import FitRunOptions, Recipe


@pytest.mark.parametrize(
    ("struct", "group", "without_option"),
    [(Recipe, RECIPE, {"teacher_share"}), (FitRunOptions, FIT_RUN, set())],  # the share has an option of its own
)
def test_each_field_of_a_fit_is_an_option_with_its_default(
    struct: type[Recipe | FitRunOptions], group: OptionGroup, without_option: set[str]
) -> None:
    """A new field of the recipe is not left without an option, and no default stands twice."""
    assert set(struct.__struct_fields__) - without_option == set(group)
    options = inspect.signature(fit).parameters
    defaults = struct()
    for name, option in group.items():
        assert options[name].default == getattr(defaults, name)
        assert option in get_args(options[name].annotation)
