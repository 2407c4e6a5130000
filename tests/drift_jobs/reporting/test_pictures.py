"""The trend: what the pictures say to those who see them and to those who do not."""

import re
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from drift_jobs.reporting.pictures import trend
from drift_jobs.runs import DriftRun, Level, MetricRow
from tests.protocols import MakeRun

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


def test_each_picture_says_what_it_shows(make_run: MakeRun) -> None:
    """Five pictures, each one well-formed, with a title and numbers for those who cannot see it."""
    pictures = _pictures(make_run(*_metrics(0.5)), [make_run(*_metrics(0.6), day=-1)])
    assert [picture[0].text for picture in pictures] == [
        "Verdicts: 0 drift, 2 watch, 0 no drift, 0 not judged",
        "Share of the positive label.",
        "Accuracy, with 95 % intervals; no estimate while it is withdrawn.",
        "Effect as a multiple of its floor, of the metrics that are highest now; 4 and more at the top.",
        "Predictions in the window; now 1,200.",
    ]
    assert "2026-11-20, this window: 60 %" in _titles(pictures[1])
    assert {picture.get("role") for picture in pictures} == {"img"}


def test_levels_differ_by_more_than_colour(make_run: MakeRun) -> None:
    """Drift stands higher than watch, watch higher than none, and a night that was not judged is hollow."""
    levels: list[Level] = ["none", "watch", "drift", "not_judged"]
    *history, run = [make_run(day=day, verdict=level) for day, level in enumerate(levels)]
    bars = list(_pictures(run, history)[0].iter("rect"))
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[0] < heights[1] < heights[2]
    assert [bar.get("stroke-dasharray") for bar in bars] == [None, None, None, "2 2"]
    assert [bar[0].text for bar in bars][2] == "2026-11-23: drift"


def test_the_last_thirty_windows_are_shown_in_order(make_run: MakeRun) -> None:
    """Whatever the order of the history, without later ones: a run that is judged again ends its own trend."""
    history = [make_run(day=day) for day in range(-40, 3) if day]
    titles = [bar[0].text or "" for bar in _pictures(make_run(), history[::-1])[0].iter("rect")]
    assert len(titles) == 30
    assert (titles[0], titles[-1]) == ("2026-10-23: watch", "2026-11-21: watch")


def test_the_last_revision_of_a_window_counts(make_run: MakeRun) -> None:
    """A night that was judged twice is one night."""
    history = [make_run(day=-1, revision=2, verdict="drift"), make_run(day=-1, revision=1, verdict="none")]
    titles = [bar[0].text for bar in _pictures(make_run(), history)[0].iter("rect")]
    assert titles == ["2026-11-20: drift", "2026-11-21: watch"]


def test_a_gap_in_the_values_is_a_gap_in_the_line(make_run: MakeRun) -> None:
    """Nights without a value, or with a withdrawn estimate, are not bridged."""
    nights = [make_run(*_metrics(0.5, note="withdrawn: wrong" if day == 2 else ""), day=day) for day in range(5)]
    accuracy = _pictures(nights[-1], nights[:-1])[2]
    lines = [line.attrib["points"].split() for line in accuracy.iter("polyline")]
    assert [len(points) for points in lines] == [2, 2]


def test_all_values_lie_within_the_picture(make_run: MakeRun) -> None:
    """Also an effect of a hundred floors, and shares of 0 and 1."""
    extreme = [make_run(*_metrics(float(day % 2), effect=3.0), day=day) for day in range(6)]
    for picture in _pictures(extreme[-1], extreme[:-1]):
        width, height = map(float, picture.attrib["viewBox"].split()[2:])
        dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in picture.iter("circle")]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in dots)


def test_nights_that_were_empty_are_shown(make_run: MakeRun) -> None:
    """No rows and no metrics at all: the verdicts and the rows are what is left."""
    empty = {"n_current": 0, "verdict": "not_judged"}
    nights = [replace(make_run(day=day, **empty), metrics=()) for day in range(3)]
    assert len(_pictures(nights[-1], nights[:-1])) == 2


def test_one_window_has_no_trend(make_run: MakeRun) -> None:
    """Of a first run it says that the trend is to come."""
    assert "the trend begins with the next one" in trend(make_run(), [])
    assert "<svg" not in trend(make_run(), [])


@pytest.mark.parametrize("wanted", ["<script", "http", "url(", "onload"])
def test_pictures_need_nothing(make_run: MakeRun, wanted: str) -> None:
    """No script and nothing from outside."""
    assert wanted not in trend(make_run(), [make_run(day=-1)])


def _metrics(share: float, effect: float = 0.05, note: str = "") -> tuple[MetricRow, ...]:
    return (
        MetricRow(metric="label_share", family="predictions", value=share, reference_value=0.5, effect=effect,
                  floor=0.03, n=100),
        MetricRow(metric="estimated_accuracy", family="estimates", value=0.8, lower=0.7, upper=0.9, n=100, note=note),
    )  # fmt: skip


def _pictures(run: DriftRun, history: list[DriftRun]) -> list[ET.Element]:
    return [ET.fromstring(found) for found in SVG.findall(trend(run, history))]  # noqa: S314 - our own


def _titles(picture: ET.Element) -> list[str]:
    return [title.text or "" for title in picture.iter("title")]
