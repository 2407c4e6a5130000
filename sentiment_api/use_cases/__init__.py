"""What the service does for a caller, free of HTTP."""
