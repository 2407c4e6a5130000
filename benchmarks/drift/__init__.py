"""How often the drift verdict is wrong when nothing happened, and what it sees when something did."""
