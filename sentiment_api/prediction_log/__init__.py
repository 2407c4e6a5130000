"""The prediction log: a spool on disk takes each record before the reply, a shipper moves it to Postgres after it.

Here: what a record is, its way to Postgres, what becomes of it when that fails, how one is found that is still spooled
(`look_ups`), and what may be kept of a text. Not here: the tables (`database`), and what makes predictions
(`use_cases`).
"""
