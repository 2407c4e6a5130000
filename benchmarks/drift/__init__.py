"""How often the drift verdict is wrong when nothing happened, what it sees otherwise, and what a night costs."""
