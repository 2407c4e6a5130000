"""From two frames to a verdict: the metrics, their levels and what is behind a change.

Pure functions: nothing is read or stored here. The tests themselves are in `statistics`.
"""
