"""The groups of `sentiment-api`'s commands, one module for each."""

from rich.console import Console

console = Console(soft_wrap=True, highlight=False)
