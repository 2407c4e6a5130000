"""The serving image: how large it is, and how long it takes from start to ready.

It has to be built before, and a migrated Postgres has to be there that a container on the host's network reaches:
`python -m benchmarks container --image localhost/sentiment-api --database postgresql://user:password@127.0.0.1/name`.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.machine import describe

_CLOSED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_PATIENCE_S = 120


def main() -> None:
    """Measure, print and write the record."""
    options = _options()
    record = {
        "machine": describe(),
        "image": {name: sizes(name) for name in [options.base, options.image, *options.other] if name},
        "start": starts(options),
    }
    text = json.dumps(record, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def sizes(image: str) -> dict[str, float]:
    """Return an image's size in millions of bytes, as it lies on the disk and as gzip sends it."""
    unpacked = int(_podman("image", "inspect", "--format", "{{.Size}}", image))
    counted = f"podman save {shlex.quote(image)} 2>/dev/null | gzip -1 | wc -c"
    sent = subprocess.run(["sh", "-c", counted], capture_output=True, text=True, check=True)
    return {"unpacked_mb": round(unpacked / 1e6, 1), "compressed_mb": round(int(sent.stdout) / 1e6, 1)}


def starts(options: argparse.Namespace) -> dict[str, Any]:
    """Return seconds from `podman run` to ready, of which the service's own, and its processor time until then."""
    runs = [_start(options) for _ in range(options.runs)]
    medians = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    return {"runs": runs, "median": medians}


def _start(options: argparse.Namespace) -> dict[str, float]:
    name = f"sentiment-start-{uuid.uuid4().hex[:8]}"
    settings = (f"--env=SENTIMENT_DATABASE_URL={options.database}", f"--env=SENTIMENT_PORT={options.port}")
    command = [*shlex.split(options.run), f"--name={name}", *_CLOSED, *settings, options.image]
    begun = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_ready(f"http://127.0.0.1:{options.port}/health/ready")
        ready = time.time()
        main_process = psutil.Process(int(_podman("inspect", "--format", "{{.State.Pid}}", name)))
        processes = [main_process, *main_process.children(recursive=True)]
        spent = sum(sum(each.cpu_times()[:2]) for each in processes)
        found = {
            "from_podman_run_s": round(ready - begun, 2),
            "from_first_process_s": round(ready - main_process.create_time(), 2),
            "processor_s": round(spent, 2),
            "memory_mb": round(sum(each.memory_full_info().uss for each in processes) / 1e6),
        }
        stopping = time.time()
        _podman("stop", "--time=85", name)
        return found | {"stop_s": round(time.time() - stopping, 2), "exit_code": process.wait()}
    finally:
        subprocess.run(["podman", "rm", "--force", "--ignore", name], capture_output=True, check=False)


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"expected {url} to answer 200 within {_PATIENCE_S} s; look at the container's log")


def _podman(*words: str) -> str:
    return subprocess.run(["podman", *words], capture_output=True, text=True, check=True).stdout.strip()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="localhost/sentiment-api")
    parser.add_argument("--base", default="docker.io/library/python:3.11-slim-bookworm", help="whose size is told too")
    parser.add_argument("--other", nargs="*", default=[], help="other images whose sizes are told")
    parser.add_argument("--database", required=True, help="URL of a migrated Postgres")
    parser.add_argument("--run", default="podman run --rm --network host", help="how to begin the command that runs it")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, help="also write the record here, such as benchmarks/results/container.json"
    )
    return parser.parse_args()
