"""Does harm to a real service, and shows that the real alerts fire, arrive at a webhook, and end when it is mended.

Real processes: the service under Granian, a Postgres of its own, clients over HTTP, Prometheus and Alertmanager with
the rules and routes of `deploy/`, and a webhook that they call. All lie in temporary folders and are gone in the end.
The rules' durations are divided, or it would take hours; see `shortening`.

    python -m benchmarks drill                                   # all faults, a quarter of an hour
    python -m benchmarks drill --fault service-killed --fault overload

Writes drill.json and drill.md, where other faults' rows stay. Needs Debian's prometheus and prometheus-alertmanager.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from benchmarks.harm.drill import report
from benchmarks.harm.drill.faults import FAULTS, PLACES, Site, judge
from benchmarks.harm.drill.monitoring import Prometheus, monitoring
from benchmarks.harm.drill.report import Sighting
from benchmarks.harm.drill.webhook import Message, Webhook, listening
from benchmarks.harm.stage import QUICK, new_stage
from benchmarks.postgres import own_postgres
from benchmarks.processes import wait_until
from benchmarks.steps import Namespace, option

_FACTOR = 12
"""A range of 5 minutes becomes 25 s, which the shipper's attempts, at most 15 s apart, do not fall between."""
_PATIENCE_S = 600.0
_EXPECTED = {alert for alert, _ in FAULTS.values()}

OPTIONS = (
    option("--fault", action="append", choices=list(FAULTS), metavar="NAME", help=f"one of {', '.join(FAULTS)}"),
    option("--factor", type=int, default=_FACTOR, help=f"what durations are divided by (default {_FACTOR})"),
)


def run(options: Namespace) -> None:
    """Play the faults, print a line for each, and write the results after each."""
    sightings: list[Sighting] = []
    with _drilled(options.factor) as (site, prometheus, webhook):
        for fault in options.fault or FAULTS:
            alert, harm = FAULTS[fault]
            sightings.append(_played(fault, alert, harm(site), prometheus, webhook))
            print(sightings[-1], flush=True)
            report.write(options.out, options.factor, sightings)
    print(f"\n{report.table(sightings)}")


@contextmanager
def _drilled(factor: int) -> Iterator[tuple[Site, Prometheus, Webhook]]:
    """Yield a service with a few clients and a night that was judged, what watches it, and whom that tells."""
    with ExitStack() as opened:
        stage = opened.enter_context(new_stage(opened.enter_context(own_postgres()), 1, QUICK))
        site = Site(stage, stage.service(SENTIMENT_MAX_CONCURRENT_REQUESTS=str(PLACES)))
        judge(site, "none")
        opened.enter_context(stage.load(site.service, connections=1, pace_s=0.2))
        webhook = opened.enter_context(listening())
        address = site.service.url.removeprefix("http://")
        prometheus = opened.enter_context(monitoring(stage.folder, factor, address, webhook.url))
        # Before its first scrape Prometheus may say that the service is away.
        wait_until(
            lambda: not _EXPECTED & (prometheus.firing() | webhook.unresolved()),
            "none of the alerts fires before a fault",
            _PATIENCE_S,
        )
        yield site, prometheus, webhook


def _played(
    fault: str, alert: str, harm: AbstractContextManager[None], prometheus: Prometheus, webhook: Webhook
) -> Sighting:
    """Do the harm until the alert has arrived, mend it, and return when it was told to be over.

    Raises:
        WaitedInVain: it did not fire, arrive or end.
    """
    begun = time.monotonic()
    with harm:
        wait_until(lambda: alert in prometheus.firing(), f"{alert} fires", _PATIENCE_S)
        fired = time.monotonic()
        arrived = _told(webhook, alert, "firing", begun)
        mending = time.monotonic()
    cleared = _told(webhook, alert, "resolved", mending)
    others = webhook.others(alert, begun)
    return Sighting(
        fault=fault,
        alert=alert,
        fires_s=round(fired - begun, 1),
        arrives_s=round(arrived.moment - begun, 1),
        clears_s=round(cleared.moment - mending, 1),
        receiver=arrived.receiver,
        runbook=arrived.runbook,
        others=others,
    )


def _told(webhook: Webhook, alert: str, status: str, since: float) -> Message:
    wait_until(lambda: webhook.first(alert, status, since) is not None, f"{alert} is told: {status}", _PATIENCE_S)
    message = webhook.first(alert, status, since)
    assert message is not None  # noqa: S101 - just waited for
    return message
