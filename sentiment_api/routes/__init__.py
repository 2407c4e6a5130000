"""The HTTP routes and what OpenAPI says of them. Each calls one use case; what it does is in `use_cases`."""
