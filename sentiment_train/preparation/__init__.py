"""Ratings to parts: gather, clean, split, write. `prepare` is the story.

What a file looks like is not here but in `sentiment_api.review_files`; what others read of the result is in `prepared`.
"""
