"""What the service does for a caller, free of HTTP: predict, take feedback, look up predictions and drift reports.

A use case takes a request's values and returns schemas or raises errors; routes make HTTP of both.
"""
