"""Two-sample tests and estimates as pure functions of arrays. They know neither metrics nor windows nor tables."""
