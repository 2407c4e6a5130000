"""A fitted model to a bundle with its card. `export` is the story; `card_file` writes the card of a bundle again.

What a bundle is, and how it is opened and sealed, stands in `sentiment_api.model.bundle`.
"""
