"""What the drift job reads from Postgres and the bundle, and what it keeps there. All of its SQL is here."""
