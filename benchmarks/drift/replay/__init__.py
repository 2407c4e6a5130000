"""The past of two shops sent through the running service and judged quarter by quarter."""
