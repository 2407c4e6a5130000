"""Does harm to a real service, and shows that the real alerts fire, arrive at a webhook, and end when it is mended.

Real processes: the service under Granian, a Postgres of its own, clients over HTTP, Prometheus and Alertmanager with
the rules and routes of `deploy/`, and a webhook that they call. All lie in temporary folders and are gone in the end.
The rules' durations are divided, or it would take hours; see `scaling`.

    python -m benchmarks drill                                   # all faults, a quarter of an hour
    python -m benchmarks drill --fault service-killed --fault overload

Writes drill.json and drill.md, where other faults' rows stay. Needs Debian's prometheus and prometheus-alertmanager.
"""

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks.chaos.command import own_postgres
from benchmarks.chaos.stage import QUICK, new_stage
from benchmarks.chaos.waiting import wait_until
from benchmarks.drill import report
from benchmarks.drill.faults import FAULTS, PLACES, Site, judge
from benchmarks.drill.monitoring import Prometheus, monitoring
from benchmarks.drill.report import Sighting
from benchmarks.drill.webhook import Message, Webhook, listening

FACTOR = 12
"""A range of 5 minutes becomes 25 s, which the shipper's attempts, at most 15 s apart, do not fall between."""
_PATIENCE_S = 600.0
_EXPECTED = {alert for alert, _ in FAULTS.values()}


def main() -> None:
    """Play the faults, print a line for each, and write the results after each."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped then, too
    sightings: list[Sighting] = []
    with drilled(options.factor) as (site, prometheus, webhook):
        for fault in options.fault or FAULTS:
            alert, harm = FAULTS[fault]
            sightings.append(play(fault, alert, harm(site), prometheus, webhook))
            print(sightings[-1], flush=True)
            report.write(options.results, options.factor, sightings)
    print(f"\n{report.table(sightings)}")


@contextmanager
def drilled(factor: int) -> Iterator[tuple[Site, Prometheus, Webhook]]:
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


def play(
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
    seconds = (fired - begun, arrived.moment - begun, cleared.moment - mending)
    return Sighting(fault, alert, *(round(each, 1) for each in seconds), arrived.receiver, arrived.runbook, others)


def _told(webhook: Webhook, alert: str, status: str, since: float) -> Message:
    wait_until(lambda: webhook.first(alert, status, since) is not None, f"{alert} is told: {status}", _PATIENCE_S)
    message = webhook.first(alert, status, since)
    assert message is not None  # noqa: S101 - just waited for
    return message


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks drill", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--fault", action="append", choices=list(FAULTS), metavar="NAME", help=f"one of {', '.join(FAULTS)}"
    )
    parser.add_argument("--factor", type=int, default=FACTOR, help="what durations are divided by")
    parser.add_argument("--results", type=Path, default=report.RESULTS, metavar="FOLDER", help="where to write them")
    return parser.parse_args()
