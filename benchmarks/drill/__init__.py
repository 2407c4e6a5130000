"""Real faults, and the alerts that tell of them: see `command`."""

from benchmarks.drill.command import main

__all__ = ["main"]
