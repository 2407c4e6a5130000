"""What people and programs see of a run: the page, tables in a terminal, JSON, webhook messages. Nothing is decided."""
