"""How fast the service is, by scripts that anyone can run again."""
