"""Whether B may replace A: the rules alone, as a pure function of what was measured."""

import msgspec

FAMILY_ERROR = 0.05
"""The chance that any slice at all is refused although none is worse by more than the bound."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much worse B may be."""

    accuracy_loss_points: float = 0.5
    """The lower end of the interval of the accuracy difference must lie above its negative."""
    slice_loss_points: float = 2.0
    """No slice may be shown to lose more."""
    slice_rows: int = 200
    """Smaller slices are shown and not judged."""
    calibration_loss: float = 0.01
    """Of the calibration error, 0 to 1."""
    slowdown: float = 1.25
    """B's p95 over A's."""


class SliceFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on one slice."""

    name: str
    rows: int
    loss_points: float
    """A's accuracy minus B's."""
    p_beyond: float
    """Of B losing at most the bound, corrected by Holm over the slices that are judged."""


class ComparisonFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at."""

    accuracy_low_points: float
    """Lower end of the 95 % interval of B's accuracy minus A's."""
    slices: list[SliceFigures]
    calibration_loss: float
    """B's calibration error minus A's."""
    slowdown: float


def failed_rules(figures: ComparisonFigures, bounds: Bounds) -> list[str]:
    """Return one sentence with its numbers for each rule that B fails; none when B may replace A.

    A slice fails when the one-sided test of "B loses at most `slice_loss_points`" rejects at `FAMILY_ERROR` after
    Holm's correction over the judged slices: it is then shown, and not merely seen, to lose more. A number that is not
    one passes no rule.
    """
    failed = []
    if not figures.accuracy_low_points > -bounds.accuracy_loss_points:
        failed.append(
            f"accuracy: the 95 % interval of B minus A begins at {figures.accuracy_low_points:+.2f} points, expected "
            f"above -{bounds.accuracy_loss_points:g}"
        )
    failed += [
        f"slice {each.name!r}: B loses {each.loss_points:.1f} points on {each.rows} rows, shown to be more than "
        f"{bounds.slice_loss_points:g} (p {each.p_beyond:.2g} after Holm)"
        for each in figures.slices
        if each.rows >= bounds.slice_rows and not each.p_beyond >= FAMILY_ERROR
    ]
    if not figures.calibration_loss <= bounds.calibration_loss:
        failed.append(
            f"calibration: B's error is {figures.calibration_loss:.4f} higher, at most {bounds.calibration_loss:g} is "
            "allowed"
        )
    if not figures.slowdown <= bounds.slowdown:
        failed.append(f"speed: B's p95 is {figures.slowdown:.2f} x A's, at most {bounds.slowdown:g} x is allowed")
    return failed
