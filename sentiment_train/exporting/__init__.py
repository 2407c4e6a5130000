"""A model to a bundle that the service takes, with its card. `export` is the story."""
