"""The schema's history. `sentiment-api db upgrade` applies it."""
