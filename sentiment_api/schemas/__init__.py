"""What goes over the wire: pydantic models in, msgspec Structs out, limits, field errors. No route or query is here."""
