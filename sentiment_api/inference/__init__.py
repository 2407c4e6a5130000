"""Inference: how much work may be in the service, what is computed next, on which thread, and what is kept of it.

It schedules token ids and knows no text and no HTTP. What a model is, and the engines, is in `model`.
"""
