"""What every request and reply passes, and errors as HTTP has them. Routes are in `routes`, keys in `access`."""
