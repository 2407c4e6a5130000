"""The serving image: how large it is, and how long it takes from start to ready.

It has to be built before, and a migrated Postgres has to be there that a container on the host's network reaches:
`python -m benchmarks container --image localhost/sentiment-api --database postgresql://user:password@127.0.0.1/name`.
"""

import contextlib
import json
import shlex
import statistics
import subprocess
import time
import uuid
from typing import Any

import httpx
import psutil

from benchmarks import result_files
from benchmarks.processes import wait_until
from benchmarks.steps import Namespace, option

_CLOSED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_PATIENCE_S = 120


OPTIONS = (
    option("--image", default="localhost/sentiment-api"),
    option("--base", default="docker.io/library/python:3.11-slim-bookworm", help="whose size is measured, too"),
    option("--other", nargs="*", default=[], help="other images whose sizes are measured"),
    option("--database", required=True, help="URL of a migrated Postgres"),
    option("--run", default="podman run --rm --network host", help="how to begin the command that runs it"),
    option("--port", type=int, default=8765),
    option("--runs", type=int, default=5),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    result = {
        "image": {name: _sizes(name) for name in [options.base, options.image, *options.other] if name},
        "start": _starts(options),
    }
    result_files.write(options.out, "container", result)
    print(json.dumps(result, indent=2))


def _sizes(image: str) -> dict[str, float]:
    """Return an image's size in millions of bytes, as it lies on the disk and as gzip sends it."""
    unpacked = int(_podman("image", "inspect", "--format", "{{.Size}}", image))
    counted = f"podman save {shlex.quote(image)} 2>/dev/null | gzip -1 | wc -c"
    sent = subprocess.run(["sh", "-c", counted], capture_output=True, text=True, check=True)
    return {"unpacked_mb": round(unpacked / 1e6, 1), "compressed_mb": round(int(sent.stdout) / 1e6, 1)}


def _starts(options: Namespace) -> dict[str, Any]:
    """Return seconds from `podman run` to ready, of which the service's own, and its processor time until then."""
    runs = [_start(options) for _ in range(options.runs)]
    medians = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    return {"runs": runs, "median": medians}


def _start(options: Namespace) -> dict[str, float]:
    name = f"sentiment-start-{uuid.uuid4().hex[:8]}"
    settings = (f"--env=SENTIMENT_DATABASE_URL={options.database}", f"--env=SENTIMENT_PORT={options.port}")
    command = [*shlex.split(options.run), f"--name={name}", *_CLOSED, *settings, options.image]
    begun = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{options.port}/health/ready"
        wait_until(lambda: _is_ready(url), "the container is ready; look at its log", _PATIENCE_S)
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


def _is_ready(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False).status_code == 200
    return False


def _podman(*words: str) -> str:
    return subprocess.run(["podman", *words], capture_output=True, text=True, check=True).stdout.strip()
