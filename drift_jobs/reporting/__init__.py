"""What people see of a run: the page, the lines of the terminal, the messages sent elsewhere."""
