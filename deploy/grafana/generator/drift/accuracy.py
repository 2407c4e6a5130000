"""How right the model is, with labels and without."""

from deploy.grafana.generator.panels import below, lines, override
from deploy.grafana.generator.statements import history, side_by_side

_LEAST_ACCURACY = 0.90

ACCURACY = (
    lines(
        "Accuracy, with labels and without",
        "On the rows with feedback, and estimated for all rows from the calibrated scores, each with its 95 %"
        " interval. 0.90 is the least we accept. An estimate that labels have proved wrong of late is withdrawn, and"
        " left out.",
        "percentunit",
        side_by_side(
            {
                "with labels": ("accuracy", "value"),
                "with labels, lower": ("accuracy", "lower"),
                "with labels, upper": ("accuracy", "upper"),
                "estimated": ("estimated_accuracy", "value"),
                "estimated, lower": ("estimated_accuracy", "lower"),
                "estimated, upper": ("estimated_accuracy", "upper"),
            }
        ),
        below(red=_LEAST_ACCURACY),
        width=12,
        more={"min": None},
        overrides=(
            override("lower|upper", custom__lineWidth=0, custom__fillOpacity=0, custom__showPoints="never"),
            override("^with labels, upper$", custom__fillBelowTo="with labels, lower", custom__fillOpacity=20),
            override("^estimated, upper$", custom__fillBelowTo="estimated, lower", custom__fillOpacity=20),
        ),
    ),
    lines(
        "The estimate, and what labels then showed",
        "Of the very same rows: what was estimated, and how many answers were right, with its 95 % interval. An"
        " estimate that is again and again outside is withdrawn by the job.",
        "percentunit",
        side_by_side(
            {
                "right": ("checked_accuracy", "value"),
                "right, lower": ("checked_accuracy", "lower"),
                "right, upper": ("checked_accuracy", "upper"),
                "estimated": ("checked_accuracy", "reference_value"),
            }
        ),
        below(red=_LEAST_ACCURACY),
        width=12,
        more={"min": None},
        overrides=(
            override("lower|upper", custom__lineWidth=0, custom__fillOpacity=0, custom__showPoints="never"),
            override("^right, upper$", custom__fillBelowTo="right, lower", custom__fillOpacity=20),
        ),
    ),
    lines(
        "Other measures, with labels",
        "F1 and ROC AUC (1 is best), Brier score and calibration error (0 is best). Accuracy is tested, these are"
        " described: they say in which way the model has become worse.",
        "none",
        history("value", "family = 'accuracy' AND metric <> 'accuracy'"),
        width=8,
    ),
    lines(
        "Shares of the labels",
        "label_share is the share of positive answers; share_em is what the shares of the true labels would be if"
        " only they had moved. Answers that move while the estimate stays are the model's doing.",
        "percentunit",
        history("value", "(metric = 'label_share' OR metric LIKE 'share\\_em\\_%')"),
        width=8,
    ),
    lines(
        "Feedback by window",
        "Share of each window's rows that have feedback by now. It goes on rising for days, and the job judges the"
        " last 7 days again.",
        "percentunit",
        side_by_side({"feedback": ("accuracy", "n::float / nullif(n_current, 0)")}),
        below(0.02),
        width=8,
    ),
)
