"""The address that the page is served at: opened before all else, so that a wrong one is named at once."""

from __future__ import annotations

import errno
import os
import socket

from assistant.errors import ConfigurationError


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address; port 0 for any that is free.

    Raises:
        ConfigurationError: it is taken, or is none of this machine's.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        is_of_port = number in (errno.EADDRINUSE, errno.EACCES)
        why = os.strerror(number) if number else "there is no such address"
        cure = (
            "stop what uses this port, or set ASSISTANT_PORT to another one"
            if is_of_port
            else "set ASSISTANT_HOST to an address of this machine"
        )
        raise ConfigurationError(f"The page cannot be served at {host}:{port} ({why})", cure) from error
