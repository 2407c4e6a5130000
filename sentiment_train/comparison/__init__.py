"""Two models on the same rows, and whether one may replace the other. `compare` is the story, `verdict` its rules.

The figures of a single model are made in `evaluation`.
"""
