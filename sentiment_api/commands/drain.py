"""`sentiment-api drain`: take a service out of the load balancer before it stops."""

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer

from sentiment_api.commands import console
from sentiment_api.draining import begin_draining, end_draining
from sentiment_api.prediction_log.spool import owner_of
from sentiment_api.settings import SpoolSettings, read_settings

_POLL_S = 0.2


def drain(
    grace: Annotated[float, typer.Option(help="Seconds to go on serving: as long as the proxy takes to notice.")] = 10,
    stop: Annotated[bool, typer.Option("--stop", help="Then send SIGTERM and wait for the end.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Be ready again instead.")] = False,
) -> None:
    """Have the services that share SENTIMENT_DATA_DIR answer 503 to /health/ready while they go on serving.

    As the preStop hook of a container: `sentiment-api drain --grace 10`. By hand: `sentiment-api drain --stop`.
    """
    services = _services(read_settings(SpoolSettings).data_dir / "spool")
    if not services:
        console.print("no service runs on this SENTIMENT_DATA_DIR")
        raise typer.Exit(1)
    for folder, pid in services.items():
        (end_draining if undo else begin_draining)(folder)
        console.print(
            f"process {pid} {'is ready again' if undo else f'is not ready any more; serves on for {grace:g} s'}"
        )
    if undo:
        return
    time.sleep(grace)
    if stop:
        for pid in services.values():
            os.kill(psutil.Process(pid).ppid(), signal.SIGTERM)
        while _services(read_settings(SpoolSettings).data_dir / "spool").keys() & services.keys():
            time.sleep(_POLL_S)
        console.print("stopped")


def _services(root: Path) -> dict[Path, int]:
    owners = {folder: owner_of(folder) for folder in sorted(root.glob("*"))}
    return {folder: pid for folder, pid in owners.items() if pid is not None}
