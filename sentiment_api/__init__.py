"""The sentiment service: a Litestar API that classifies product reviews and logs every prediction."""

__version__ = "0.2.0"
