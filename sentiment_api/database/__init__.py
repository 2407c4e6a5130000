"""Postgres: its tables, every query of the service, erasure, partitions, and an embedded server where there is none.

Not here: what decides which records are written, which is `prediction_log`, and the drift job's own queries.
"""
