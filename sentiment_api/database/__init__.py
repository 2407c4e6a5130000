"""Postgres: the tables, how to reach them, and an embedded server for machines without one."""
