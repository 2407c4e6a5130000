"""The prediction log: a spool on disk that takes each record before the reply, and a shipper that moves it to Postgres."""
