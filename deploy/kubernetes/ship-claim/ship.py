"""Ships what is left in SENTIMENT_DATA_DIR: `python ship.py`, with the service's environment, in its image.

A service takes over what is spooled when it starts, and ships it when it stops, for SENTIMENT_DRAIN_TIMEOUT_S at most.
So this starts one, stops it and looks. Exit codes: 0 nothing is left, 1 something is left to be shipped (run it again),
3 all was shipped but for what Postgres refuses or a newer release wrote.
"""
# ruff: noqa: INP001 - a script, not a package

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

AGAIN = 1
NEEDS_SOMEBODY = 3


def main() -> int:
    """Ship, say what is left, and return the exit code."""
    if not run_once(int(os.environ.get("SENTIMENT_PORT", "8000"))):
        print("the service did not start; the reason is above", file=sys.stderr)
        return AGAIN
    root = Path(os.environ["SENTIMENT_DATA_DIR"]) / "spool"
    waiting = [path for path in root.glob("*/*.seg") if path.stat().st_size]
    kept = [*root.glob("*/set-aside/*.json"), *root.glob("*/*.newer")]
    print(f"left: {len(waiting)} segments to be shipped, {len(kept)} files that need somebody")
    if waiting:
        return AGAIN
    return NEEDS_SOMEBODY if kept else 0


def run_once(port: int) -> bool:
    """Run the service until it is ready, stop it, and return whether it came to be ready."""
    with subprocess.Popen([sys.executable, "-m", "sentiment_api", "serve"]) as service:
        while service.poll() is None:
            if is_ready(port):
                service.terminate()
                return True
            time.sleep(0.5)
    return False


def is_ready(port: int) -> bool:
    """Return whether the service on this port of the loopback interface is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
