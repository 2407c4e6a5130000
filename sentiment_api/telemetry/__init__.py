"""Metrics, logs, traces and Apitally. None of them ever holds a review's text."""
