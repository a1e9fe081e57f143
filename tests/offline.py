"""Runs the real server on a machine without a network, and notes whose address it tries to look up.

`unshare --net --mount python tests/offline.py FOLDER` prints one JSON object. A name server of our own stands on the
only interface that there is, so that every look-up is seen, whichever library or process makes it.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress

import httpx
from started import serving, wait_for_model

CONTROL = "a-look-up-that-is-seen.test"
_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_NO_SUCH_NAME = 0x8183


def bring_up_loopback() -> None:
    """Switch the only interface on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))


def be_the_name_server(looked_up: list[str]) -> None:
    """Let every look-up come to us, and know no name."""
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)  # noqa: S607 - the system's
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve() -> None:
        while True:
            query, client = server.recvfrom(4096)
            looked_up.append(name_in(query))
            server.sendto(query[:2] + struct.pack(">H", _NO_SUCH_NAME) + query[4:], client)

    threading.Thread(target=serve, daemon=True).start()


def name_in(query: bytes) -> str:
    """Return the name that is asked for."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += query[at] + 1
    return ".".join(labels)


def main(folder: str) -> None:
    """Start the server, visit it, stop it, and tell."""
    looked_up: list[str] = []
    bring_up_loopback()
    be_the_name_server(looked_up)
    with suppress(OSError):
        socket.getaddrinfo(CONTROL, 80)
    control, looked_up[:] = list(looked_up), []
    # The model reads the article first, which a busy machine takes long for.
    with serving({"ASSISTANT_DATA": folder, "ASSISTANT_ANSWER_SECONDS": "300"}) as server:
        wait_for_model(server)
        with httpx.Client(base_url=server.address, timeout=400) as client:
            page = client.get("/").raise_for_status().content
            answer = client.post("/api/ask", json={"question": "How much has violent crime fallen?"}).json()
        time.sleep(2)  # For what starts late.
    told = {"control": control, "looked_up": looked_up, "page": len(page), "answer": answer}
    print(json.dumps(told))  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(sys.argv[1])
