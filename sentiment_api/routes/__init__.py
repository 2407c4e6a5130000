"""The HTTP routes: thin, each calls one use case."""
