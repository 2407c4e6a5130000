"""What goes over the wire: pydantic models in, msgspec Structs out, and the errors of their fields."""
