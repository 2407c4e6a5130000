"""The prediction log: a spool on disk takes each record before the reply, a shipper moves it to Postgres after it."""
