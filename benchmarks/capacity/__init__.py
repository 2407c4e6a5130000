"""What one needs for how many reviews: processors, memory, disk, connections. `docs/capacity.md` has the figures.

Read `command`; `replicas` has the service's side, `growth` Postgres's.
"""

from benchmarks.capacity.command import main

__all__ = ["main"]
