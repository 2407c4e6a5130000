"""Training: reviews a second of a fit, and the memory of preparing data."""
