"""Harm done to real processes, and what of the service's promises holds.

`stage` is what a case plays on: a folder, a database, services, and clients (`load`) whose replies a `ledger` notes.
"""
