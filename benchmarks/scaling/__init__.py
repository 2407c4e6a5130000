"""Several replicas behind a proxy: whether one can stop or die unnoticed, and whether the model should be one of them.

Read `command`, which runs the cases; `cases`, what happens to the replicas; `proxy`, the nginx with the shipped
configuration, and what its log says of each request. `comparison` measures the `shapes`: the model in each process, or
as a process of its own.
"""

from benchmarks.scaling.command import main

__all__ = ["main"]
