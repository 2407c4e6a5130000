"""The model computing only, without a server: the candidates for the `cpu` engine, and the `torch` engine on a GPU.

How fast, and how right: `engine` compares the candidates, `gpu` and `long_texts` look at our own engines.
"""
