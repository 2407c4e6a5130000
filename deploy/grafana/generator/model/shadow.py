"""The model that is tried beside the one that serves."""

from deploy.grafana.generator.panels import above, bars, below, lines, stat
from deploy.grafana.generator.promql import happened, quantile, rate, ratio, seldom, series

SHADOW = (
    stat(
        "Shadow model",
        "The version that is tried beside the one that serves; none when there is none. Its answers are given to"
        " nobody.",
        "short",
        {"{{version}}": seldom(f"count by (version) ({series('shadow_model')} == 1)", "version")},
        width=6,
    ),
    stat(
        "Given up",
        "Processes whose shadow model failed (SentimentShadowGivenUp). Live predictions are not concerned.",
        "short",
        {"given up": f"sum({series('shadow_disabled')})"},
        above(1),
        width=6,
    ),
    stat(
        "Compared",
        "Texts that the shadow model has scored in a day, over all processes. sentiment-api shadow report says what"
        " they show.",
        "short",
        {"compared": seldom(f"sum(increase({series('shadow_compared_total')}[1d]))")},
        width=6,
    ),
    stat(
        "Waiting",
        "Texts that wait for the shadow model. It works when the processor has nothing else to do.",
        "short",
        {"waiting": f"sum({series('shadow_waiting_texts')})"},
        width=6,
    ),
    lines(
        "Same label",
        "Share of the compared texts to which both models give the same label; 0 while none is compared. Below 95 %"
        " the two are different models to a customer; sentiment-api shadow report says which is right more often.",
        "percentunit",
        {"same": seldom(ratio(rate("shadow_compared_total", where='agreement="same"'), rate("shadow_compared_total")))},
        below(0.95, 0.9),
    ),
    lines(
        "Distance of the scores",
        "Between the two models' probabilities of the label given; 0 while nothing is compared. Above 0.5 they say"
        " the opposite.",
        "percentunit",
        {
            name: seldom(f"({quantile(q, 'shadow_score_distance')} >= 0)")
            for name, q in (("median", 0.5), ("p95", 0.95))
        },
        above(0.2, 0.5),
    ),
    bars(
        "Not compared",
        "Texts chosen for the shadow model that it did not score, by reason. It gives way to live work.",
        "ops",
        {"{{reason}}": happened("shadow_dropped_total", "reason")},
    ),
)
