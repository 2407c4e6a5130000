"""What one needs for how many reviews: processors, memory, disk, connections. `docs/capacity.md` has the figures.

`replicas` has the service's side, `growth` Postgres's.
"""
