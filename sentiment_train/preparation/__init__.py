"""Ratings to parts. `prepare` is the story: read, clean, decide, write."""
