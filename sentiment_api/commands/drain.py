"""`sentiment-api drain`: take a service out of the load balancer before it stops."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from sentiment_api.commands import console
from sentiment_api.prediction_log.draining import begin_draining, end_draining, port_of, server_of
from sentiment_api.prediction_log.spool_folders import is_held
from sentiment_api.settings import SpoolSettings, read_settings

_POLL_S = 0.2


def drain(
    grace: Annotated[float, typer.Option(help="Seconds to go on serving: as long as the proxy takes to notice.")] = 10,
    stop: Annotated[bool, typer.Option("--stop", help="Then send SIGTERM and wait for the end.")] = False,
    port: Annotated[int | None, typer.Option(help="Only the service on this port; all of them otherwise.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Be ready again instead.")] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for the end; exit code 1 when it does not come.")
    ] = 90,
) -> None:
    """Have the services that share SENTIMENT_DATA_DIR answer 503 to /health/ready while they go on serving.

    As the preStop hook of a container: `sentiment-api drain --grace 10`. By hand: `sentiment-api drain --stop`. Of two
    behind a proxy that sends on what one did not answer: `sentiment-api drain --port 8000 --grace 0 --stop`.
    """
    services = _services(read_settings(SpoolSettings).data_dir / "spool", port)
    if not services:
        console.print(f"no service runs on this SENTIMENT_DATA_DIR{'' if port is None else f' and port {port}'}")
        raise typer.Exit(1)
    for folder, pid in services.items():
        (end_draining if undo else begin_draining)(folder)
        console.print(
            f"process {pid} {'is ready again' if undo else f'is not ready any more; serves on for {grace:g} s'}"
        )
    if undo:
        return
    time.sleep(grace)
    if stop and not _stop(services, timeout):
        console.print(f"not stopped within {timeout:g} s: what it was asked is still being answered")
        raise typer.Exit(1)


def _stop(services: dict[Path, int], timeout_s: float) -> bool:
    """Send SIGTERM and wait; return whether all have ended."""
    for folder, pid in services.items():
        if _runs(folder, pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    # Not only whether the spool is held: a supervisor may have started the next one.
    while any(_runs(folder, pid) for folder, pid in services.items()):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    console.print("stopped")
    return True


def _runs(folder: Path, pid: int) -> bool:
    return is_held(folder) and server_of(folder) == pid


def _services(root: Path, port: int | None) -> dict[Path, int]:
    """Return the process to send SIGTERM to, by the spool's folder, of services that run, or of the one on `port`."""
    held = [folder for folder in sorted(root.glob("*")) if is_held(folder) and port in (None, port_of(folder))]
    return {folder: pid for folder in held if (pid := server_of(folder)) is not None}
