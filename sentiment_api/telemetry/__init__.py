"""Metrics, logs, traces and Apitally. Nothing here ever holds a review's text; `prediction_log` stores those."""
