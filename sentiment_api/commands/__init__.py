"""The commands of `sentiment-api`: one module for each group, which reads options, calls the rest and prints.

What a command does beyond that belongs to the folder of its subject.
"""

from rich.console import Console

console = Console(soft_wrap=True, highlight=False)
