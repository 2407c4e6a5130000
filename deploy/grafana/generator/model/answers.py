"""What the model says, how right it is thought to be, and what it is asked."""

from deploy.grafana.generator.panels import above, below, heatmap, lines, override, stat
from deploy.grafana.generator.promql import buckets, judged, quantile, quantiles, rate, ratio, series

_LEAST_ACCURACY = 0.90
_THIN = override("lower|upper", custom__lineStyle={"fill": "dash", "dash": [4, 6]}, custom__fillOpacity=0)


def _bounds(metric: str) -> str:
    """Return an accuracy with the ends of its interval."""
    return judged(series(metric), "bound, model_version")


def _worst(metric: str, bound: str) -> str:
    """Return the lowest of the versions' accuracies, at one end of its interval."""
    where = f'bound="{bound}"'
    return f"min({judged(series(metric, where))})"


NOW = (
    stat(
        "Predictions",
        "Customers' predictions in a second.",
        "ops",
        {"predictions": rate("predictions_total")},
    ),
    stat(
        "Accuracy, estimated",
        "Lower end of the 95 % interval of the accuracy on the last night's window, estimated without labels. Below"
        " 0.90 SentimentEstimatedAccuracyLow is a ticket. Empty: no night was judged yet, labels have proved it"
        " wrong, or the chosen instance does not know the newest night.",
        "percentunit",
        {"at least": _worst("estimated_accuracy", "lower")},
        below(red=_LEAST_ACCURACY),
    ),
    stat(
        "Accuracy, with labels",
        "Upper end of the 95 % interval of the accuracy on the rows with feedback. Below 0.90 SentimentAccuracyLow"
        " pages. Empty: too little feedback, or the chosen instance does not know the newest night.",
        "percentunit",
        {"at most": _worst("labelled_accuracy", "upper")},
        below(red=_LEAST_ACCURACY),
    ),
    stat(
        "Uncertain answers",
        "Share of the predictions with a score below 0.75. A rise means texts that the model does not know.",
        "percentunit",
        {"uncertain": ratio(rate("prediction_score_bucket", where='le="0.75"'), rate("prediction_score_count"))},
        above(0.15, 0.3),
    ),
    stat(
        "Engine threads missing",
        "Threads that should run and do not. From 1 on the process is neither ready nor alive, until it is started"
        " again: SentimentEngineStopped pages, and SentimentApiNotReady is a ticket.",
        "short",
        {"missing": f"sum({series('engine_threads')}) - sum({series('engine_threads_alive')})"},
        above(red=1),
    ),
    stat(
        "Versions that serve",
        "Models that serve side by side. Two of them for two hours are a ticket (SentimentTwoModelsServe): the same"
        " review may get two answers.",
        "short",
        {"versions": f"count(count by (version) ({series('model')}))"},
        above(2),
    ),
)

ANSWERS = (
    lines(
        "Labels",
        "Share of each label among the predictions. After a step without a new model look at the dashboard Drift.",
        "percentunit",
        {"{{label}}": f"{rate('predictions_total', 'label')} / on () group_left () ({rate('predictions_total')} > 0)"},
        more={"custom": {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0}},
    ),
    heatmap(
        "Scores",
        "How many predictions had which calibrated probability of the label given. Most lie near 1; a second band"
        " below is a kind of text that the model does not know.",
        "percentunit",
        buckets("prediction_score"),
    ),
    lines(
        "Score",
        "The typical text, and the least certain tenth of them. As a share of all answers what has a score of 0.9"
        " should be right in nine of ten.",
        "percentunit",
        {"median": quantile(0.5, "prediction_score"), "least certain tenth": quantile(0.1, "prediction_score")},
        below(0.6),
    ),
    heatmap(
        "Entropies",
        "How undecided the model was, as a share of the highest possible: 0 is certain, 1 is as good as a guess.",
        "percentunit",
        buckets("prediction_entropy_ratio"),
    ),
    lines(
        "Entropy",
        "The typical text, and the most undecided tenth of them. With two labels it says the same as the score.",
        "percentunit",
        {
            "median": quantile(0.5, "prediction_entropy_ratio"),
            "most undecided tenth": quantile(0.9, "prediction_entropy_ratio"),
        },
        above(0.9),
    ),
    lines(
        "Accuracy",
        "On the window of the last night: estimated without labels, and on the rows with feedback, each with its 95 %"
        " interval. 0.90 is the least we accept (SentimentAccuracyLow, SentimentEstimatedAccuracyLow); intervals that"
        " do not meet are SentimentEstimateTooHigh.",
        "percentunit",
        {
            "estimated {{bound}} {{model_version}}": _bounds("estimated_accuracy"),
            "with labels {{bound}} {{model_version}}": _bounds("labelled_accuracy"),
        },
        below(red=_LEAST_ACCURACY),
        more={"min": None},
        overrides=(_THIN,),
    ),
)

TEXTS = (
    lines(
        "Tokens of a text",
        "Tokens given to the model, after truncation. What an answer costs grows with them.",
        "short",
        quantiles("input_tokens", 50, 95, 99),
    ),
    lines(
        "Characters of a text",
        "Length as sent, without white space around it; 20,000 is the most that is taken.",
        "short",
        quantiles("input_characters", 50, 95, 99),
    ),
    lines(
        "Truncated",
        "Share of the texts with more tokens than the model takes; it has not seen their ends. When many are, a"
        " bundle that reads long texts in windows sees all of them.",
        "percentunit",
        {"truncated": ratio(rate("truncated_texts_total"), rate("input_tokens_count"))},
        above(0.05, 0.2),
    ),
)
