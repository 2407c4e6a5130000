"""What is called when an alert is to be told to somebody."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Message(NamedTuple):
    """One alert in one call of the webhook."""

    moment: float
    """On the clock of `time.monotonic`."""
    receiver: str
    alert: str
    status: str
    """`firing` or `resolved`"""
    runbook: str


class Webhook:
    """All that has been told so far."""

    def __init__(self, url: str) -> None:
        """`url` is where it listens."""
        self.url = url
        self.messages: list[Message] = []

    def first(self, alert: str, status: str, since: float) -> Message | None:
        """Return the first message about an alert with this status since a moment, None while there is none."""
        found = (each for each in list(self.messages) if (each.alert, each.status) == (alert, status))
        return next((each for each in found if each.moment >= since), None)

    def others(self, alert: str, since: float) -> list[str]:
        """Return the names of the other alerts that were told to fire since a moment."""
        told = {each.alert for each in list(self.messages) if each.status == "firing" and each.moment >= since}
        return sorted(told - {alert})

    def unresolved(self) -> set[str]:
        """Return the names of the alerts that were told to fire and not told to be over."""
        last = {each.alert: each.status for each in list(self.messages)}
        return {alert for alert, status in last.items() if status == "firing"}

    def hear(self, call: dict[str, Any]) -> None:
        """Note what Alertmanager has posted."""
        now = time.monotonic()
        self.messages += [
            Message(
                now, call["receiver"], each["labels"]["alertname"], each["status"], each["annotations"]["runbook_url"]
            )
            for each in call["alerts"]
        ]


@contextmanager
def listening() -> Iterator[Webhook]:
    """Yield a webhook that listens on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.hear(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        webhook = Webhook(f"http://127.0.0.1:{server.server_address[1]}/")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield webhook
        finally:
            server.shutdown()
            thread.join()
