"""The job itself: what it had to judge by, and what that took."""
# ruff: noqa: S608 - Grafana runs it, and nothing of it comes from outside

from deploy.grafana.generator.panels import above, below, columns, lines
from deploy.grafana.generator.statements import NIGHTS, nights

JOB = (
    lines(
        "Rows judged",
        "Rows of the window and of the reference. Below 500 a window is not judged, and few rows hide small drift.",
        "short",
        nights('n_current AS "window", n_reference AS "reference"'),
        below(500),
        width=6,
    ),
    columns(
        "Feedback by age",
        "Share of the predictions that have feedback, by the days since. It says how long to wait for labels; 14"
        " stands for all older ones.",
        "percentunit",
        f"""SELECT age ->> 'days' AS "days",
  sum((age ->> 'labelled')::float) / nullif(sum((age ->> 'rows')::float), 0) AS "feedback"
FROM {NIGHTS} CROSS JOIN jsonb_array_elements(details -> 'coverage') AS age
GROUP BY 1
ORDER BY (age ->> 'days')::int""",
        width=6,
    ),
    lines(
        "False alarms to expect in a year",
        "Nights of drift in 365 in which nothing is wrong, by the back-test of the latest calibration. Above 3.65 it"
        " is more than one night in a hundred.",
        "none",
        nights("(details -> 'back_test' ->> 'alarms_a_year')::float AS \"alarms\""),
        above(3.65),
        width=6,
    ),
    lines(
        "Duration of a run",
        "Seconds from its start to its end. The first night against a new reference calibrates, and takes longer.",
        "s",
        nights('extract(epoch FROM finished_at - started_at)::float AS "duration"'),
        above(600, 3600),
        width=6,
    ),
)
