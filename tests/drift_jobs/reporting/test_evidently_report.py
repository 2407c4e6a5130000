"""What Evidently shows, and what it must never show."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, sample_frame
from drift_jobs.reporting.evidently_report import Description, describe
from tests.protocols import MakeFrame, MakeRecords

pytestmark = pytest.mark.slow


def test_every_judged_column_is_described(make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """Label, logit, score and all descriptors are shown, and nothing is left out."""
    found = describe(make_frame(make_records(300, seed=1)), make_frame(make_records(400, seed=2)), labels)
    assert found is not None
    results = msgspec.json.decode(found.snapshot)["metric_results"].values()
    names = {result["display_name"] for result in results}
    assert {
        column for column in ("label", "logit", "score", *DESCRIPTORS) if not any(column in name for name in names)
    } == set()
    assert found.left_out == ()


def test_no_widget_has_a_verdict_of_its_own(make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """However far apart the sides are, Evidently's part neither tests nor speaks of drift."""
    found = describe(make_frame(make_records(300, seed=1, mood=4.0)), make_frame(make_records(400, seed=2)), labels)
    assert found is not None
    snapshot = msgspec.json.decode(found.snapshot)
    assert snapshot["tests_widgets"] == []
    assert "drift" not in found.snapshot.lower()


def test_a_column_without_values_leaves_the_others(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """A descriptor that is missing in the whole window, and labels of one kind only, cost no other widget."""
    window = make_frame(make_records(300, seed=1)).assign(words=np.nan, target="positive", upper_share=np.inf)
    found = describe(window, make_frame(make_records(400, seed=2)), labels)
    assert found is not None
    assert "digit_share" in found.html
    assert found.left_out == ()


def test_a_widget_that_fails_is_left_out_alone(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet, caplog: pytest.LogCaptureFixture
) -> None:
    """When Evidently fails on one widget the others are shown, and report and log name the one that is missing."""
    window = make_frame(make_records(300, seed=1))
    window.loc[:9, "probability_positive"] = np.nan
    found = describe(window, make_frame(make_records(400, seed=2)), labels)
    assert found is not None
    assert found.left_out == ("quality",)
    assert "digit_share" in found.html
    assert "could not describe quality: ValueError" in caplog.text


class Shown:
    """Metrics that Evidently has computed, of which one cannot be shown."""

    def __init__(self, metrics: int, failing: str = "") -> None:
        """`failing` is the method that fails; with more than one metric both do."""
        self._failing = ("get_html_str", "dumps") if metrics > 1 else (failing,)

    def get_html_str(self, as_iframe: bool) -> str:
        """Return a page, which is no part of another one."""
        assert not as_iframe
        return self._shown("get_html_str")

    def dumps(self) -> str:
        """Return JSON."""
        return self._shown("dumps")

    def _shown(self, name: str) -> str:
        if name in self._failing:
            raise ArithmeticError("The kettle sings")
        return "{}"


@pytest.mark.parametrize("failing", ["", "get_html_str", "dumps"])
def test_a_failure_of_the_whole_costs_only_the_page(
    failing: str,
    make_records: MakeRecords,
    make_frame: MakeFrame,
    labels: LabelSet,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When all widgets fail together, or also each alone, the kind of the error is kept and not what it says."""
    window, reference = make_frame(make_records(30, seed=1)), make_frame(make_records(40, seed=2))
    found = describe(window, reference, labels, lambda metrics, *_: Shown(len(metrics), failing))
    assert found == Description(failure="ArithmeticError")
    assert "nothing of its page is left: ArithmeticError" in caplog.text
    assert "kettle" not in caplog.text


def test_nothing_is_described_of_an_empty_window(
    make_frame: MakeFrame, make_records: MakeRecords, labels: LabelSet
) -> None:
    """Without rows on both sides there is nothing to show."""
    assert describe(make_frame([]), make_frame(make_records(10, seed=1)), labels) is None


def test_large_windows_are_described_by_a_sample(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """Of each side at most 10,000 rows are shown, the same ones each time: the time does not grow with the window."""
    window = pd.concat([make_frame(make_records(1000, seed=1))] * 12, ignore_index=True)
    reference = make_frame(make_records(400, seed=2))
    first, second = (_single_values(describe(window, reference, labels)) for _ in range(2))
    assert first["Row count in dataset"] == 10_000
    assert first["Mean value of 'logit'"] == second["Mean value of 'logit'"]


@pytest.mark.parametrize("n", [1, 2, 40])
def test_small_windows_are_described(
    n: int, make_frame: MakeFrame, make_records: MakeRecords, labels: LabelSet
) -> None:
    """A window of one row is shown like any other."""
    found = describe(make_frame(make_records(n, seed=1)), make_frame(make_records(400, seed=2)), labels)
    assert found is not None
    assert "logit" in found.html


def test_three_labels_are_described() -> None:
    """Each logit is shown, and the quality of three labels."""
    labels = LabelSet(("negative", "neutral", "positive"), "positive")
    found = describe(_three_way(300, labels), _three_way(400, labels), labels)
    assert found is not None
    assert found.left_out == ()
    assert "logit_neutral" in found.html
    assert "Accuracy" in found.html


def _three_way(n: int, labels: LabelSet) -> pd.DataFrame:
    random = np.random.default_rng(n)
    probabilities = random.dirichlet(np.ones(3), n)
    names = np.array(labels.names)
    return sample_frame(
        labels,
        logits=np.log(probabilities),
        probabilities=probabilities,
        label=names[probabilities.argmax(axis=1)],
        target=names[random.integers(0, 3, n)],
        product=[None] * n,
        embedding=[None] * n,
        descriptors=dict.fromkeys(DESCRIPTORS, random.random(n).round()),
    )


def _single_values(found: Description | None) -> dict[str, float]:
    """Return the numbers that are shown of the window, by what they are called."""
    assert found is not None
    results = msgspec.json.decode(found.snapshot)["metric_results"].values()
    return {result["display_name"]: result["value"] for result in results if "value" in result}
