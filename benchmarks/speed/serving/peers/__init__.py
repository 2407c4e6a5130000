"""The same model behind other servers, each written as its own documentation shows it. They run in .venv-bench."""
