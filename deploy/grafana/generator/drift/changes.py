"""What changed, how much of it would have been seen, and where."""

from deploy.grafana.generator.drift.words import VERDICT_COLUMN
from deploy.grafana.generator.panels import above, lines, override, table
from deploy.grafana.generator.statements import history, latest

WHAT_CHANGED = (
    lines(
        "Effects, as multiples of their floors",
        "How far inputs and predictions of the whole window are from the reference. Below 1 a change is not worth a"
        " look, however sure it is; above 1 it is judged, and the verdict says whether it is chance.",
        "none",
        history("effect / nullif(floor, 0)", "family IN ('inputs', 'predictions')"),
        above(1),
        width=12,
    ),
    lines(
        "Smallest change that would be seen, in floors",
        "What 8 of 10 such windows would have shown. Above 1 a change that matters may go unseen: the window has too"
        " few rows, or too few products have most of them.",
        "none",
        history(
            "detectable / nullif(floor, 0)", "family IN ('inputs', 'predictions', 'accuracy') AND threshold IS NOT NULL"
        ),
        above(1, 2),
        width=12,
    ),
    table(
        "Metrics of the latest night",
        "What was compared on the whole window: value and reference (their means), the effect, its floor, the"
        " smallest effect that would be seen, and the p-value adjusted for the number of tests.",
        "short",
        latest(
            'metric.metric, family, metric.verdict, value, reference_value AS "reference", effect, floor, detectable,'
            ' adjusted_p AS "adjusted p", direction, n AS "rows", note',
            "segment = ''",
            "effect / nullif(floor, 0) DESC NULLS LAST, family, metric.metric",
        ),
        overrides=(VERDICT_COLUMN, override("^(value|reference|effect|floor|detectable|adjusted p)$", decimals=4)),
    ),
    table(
        "Segments that differ",
        "Products, and values of metadata, whose share of positive labels, words or accuracy is not as before, in the"
        " latest night. Empty is well.",
        "short",
        latest(
            'segment, metric.metric, metric.verdict, value, reference_value AS "reference", effect, floor, n AS "rows"',
            "segment <> '' AND metric.verdict IN ('watch', 'drift')",
            "effect / nullif(floor, 0) DESC NULLS LAST",
        ),
        overrides=(VERDICT_COLUMN, override("^(value|reference|effect|floor)$", decimals=4)),
    ),
)
