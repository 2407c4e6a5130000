"""The error tree: what is drawn is what there is, and where an error came from."""

import inspect
import json
import re
from pathlib import Path

import pytest

from sentiment_api import errors
from sentiment_api.errors import BundleInvalid, SentimentError, place_of
from sentiment_api.model.bundle import MANIFEST, open_bundle


def test_the_drawn_tree_is_the_tree() -> None:
    """The module's docstring shows each error once, below its parent and at the right depth."""
    drawn = re.findall(r"^((?:[│ ]   )*)[├└]── (\w+) ", errors.__doc__ or "", flags=re.MULTILINE)
    defined = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, SentimentError)]
    depths = {each.__name__: each.__mro__.index(SentimentError) - 1 for each in defined if each is not SentimentError}
    assert len(drawn) == len(depths)
    assert {name: len(bars) // 4 for bars, name in drawn} == depths


def test_a_place_is_the_innermost_line_of_the_project(tmp_path: Path) -> None:
    """Lines of tests and libraries are passed over, whichever raised."""
    (tmp_path / MANIFEST).write_text(json.dumps({"format": 99}))
    with pytest.raises(BundleInvalid) as ours:
        open_bundle(tmp_path)
    assert re.fullmatch(r"sentiment_api/model/bundle\.py:\d+", place_of(ours.value))
    with pytest.raises(json.JSONDecodeError) as theirs:
        json.loads("{")
    assert place_of(theirs.value) == "outside the project"
