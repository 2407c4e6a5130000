"""The model: its bundle, tokenizer, descriptors, engines and calibration, shared by serving, training and drift.

Nothing here knows of HTTP, Postgres or other requests: queues and batches are `inference`.
"""
