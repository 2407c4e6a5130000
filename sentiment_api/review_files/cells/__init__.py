"""What the cells of a column mean: ratings on their scale, polarity, times, and words for nothing.

Everything is told from the column as a whole. Which column plays which role is decided in `columns`, one folder up.
"""
