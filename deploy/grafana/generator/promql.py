"""PromQL that holds for any number of processes: counters are summed after their rates, buckets before their quantile.

Each selects the processes that the dashboard's variable `instance` names.
"""

INSTANCE = 'instance=~"$instance"'


def series(metric: str, where: str = "") -> str:
    """Return a selector of a metric of the service, named without its prefix."""
    return f"sentiment_{metric}{{{', '.join(filter(None, (INSTANCE, where)))}}}"


def process(metric: str) -> str:
    """Return a selector of a metric that every process has, of ours only."""
    return f'{metric}{{job="sentiment-api", {INSTANCE}}}'


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return a counter's increase in a second, summed over everything but the labels `by`."""
    return f"{summed(by)} (rate({series(metric, where)}[$__rate_interval]))"


def increase(metric: str, over: str, by: str = "", where: str = "") -> str:
    """Return a counter's increase in the time before, summed as in `rate`."""
    return f"{summed(by)} (increase({series(metric, where)}[{over}]))"


def summed(by: str) -> str:
    """Return the aggregation that keeps the labels `by`."""
    return f"sum by ({by})" if by else "sum"


def ratio(part: str, whole: str) -> str:
    """Return a share of two sums without labels; nothing where the whole is nothing, since 0/0 is no number."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, histogram: str, by: str = "", where: str = "") -> str:
    """Return a quantile, over all processes, interpolated within the histogram's buckets."""
    return f"histogram_quantile({q}, {buckets(histogram, by, where)})"


def quantiles(histogram: str, *percents: int) -> dict[str, str]:
    """Return quantiles by their legends, such as `p95`."""
    return {f"p{percent}": quantile(percent / 100, histogram) for percent in percents}


def buckets(histogram: str, by: str = "", where: str = "") -> str:
    """Return what fell into each bucket of a histogram, in a second."""
    return rate(f"{histogram}_bucket", f"le, {by}" if by else "le", where)


def mean(histogram: str) -> str:
    """Return the mean of what a histogram has counted."""
    return ratio(rate(f"{histogram}_sum"), rate(f"{histogram}_count"))


def by_process(metric: str) -> str:
    """Return a gauge by process; whatever other labels it has are summed."""
    return f"sum by (instance) ({series(metric)})"


def judged(gauge: str, by: str = "model_version") -> str:
    """Return what the last run of the drift job says by a gauge.

    Replicas show the same run: hence max. One that is cut off from Postgres shows an older one: it is left out.
    """
    return f"max by ({by}) ({gauge} and on (instance, model_version) sentiment:drift_current:instance)"


def seldom(expression: str, label: str = "") -> str:
    """Return 0 while there is no such series yet: nothing of the kind has happened. The 0 is called `none`."""
    if not label:
        return f"max({expression} or on () vector(0))"  # max takes the name off, or there would be two series
    return f'({expression} or on () label_replace(vector(0), "{label}", "none", "", ""))'


def happened(metric: str, by: str, where: str = "") -> str:
    """Return what is counted by labels whose values are mostly 0, and leave those out."""
    return seldom(f"({rate(metric, by, where)} > 0)", by.partition(",")[0])
