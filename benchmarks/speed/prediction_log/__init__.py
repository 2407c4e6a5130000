"""The prediction log: what an append, shipping and lists cost, and what the log costs the answers."""
