"""How often the drift verdict is wrong when nothing happened, and what it sees when something did."""

from benchmarks.drift.command import main

__all__ = ["main"]
