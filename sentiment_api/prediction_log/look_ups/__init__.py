"""Look-ups: what the spool holds of one prediction, found by an index in memory instead of reading every segment.

Not here: what Postgres holds, and in which order the two are asked (`use_cases.look_up`).
"""
