"""From what a user names to tables of cells: containers, encodings, and one reader for each form of file.

A reader says what cells hold as text, and nothing about what they mean: that is told in `cells`, one folder up.
"""
