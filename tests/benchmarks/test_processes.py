"""Where the servers that are measured and harmed listen."""

import errno
import os
import socket

import pytest

from benchmarks.processes import free_port


def test_a_port_is_kept_for_the_server_that_starts_there_again() -> None:
    """A server can listen, stop and listen again; nobody else gets the port meanwhile, and then its requests."""
    port = free_port()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)):
            pass
        with socket.socket() as other, pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
            other.bind(("127.0.0.1", port))
