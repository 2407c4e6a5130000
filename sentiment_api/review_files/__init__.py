"""Files of ratings and reviews, of every form, as batches of rows with known columns.

A form is one reader and one line of `formats.FORMATS`. What rows are for (training, bulk scoring) is decided elsewhere.
The libraries are the extra `files`, which the serving image does not carry.
"""
