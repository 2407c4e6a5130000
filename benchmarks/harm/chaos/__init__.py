"""Harm done to the running service under load, and whether the prediction log kept its promise.

A case drives real processes: the service under Granian, Postgres, clients over HTTP. It notes every reply the moment it
is read, does harm at random moments, lets things settle, and compares the notes with Postgres: every prediction and
every feedback that was acknowledged is there, once. `cases` has one function for each.
"""
