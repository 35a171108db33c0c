"""A proxy between the connector and the sandbox, as companies have them: it ends TLS by itself.

Through it the connector reads from https://in1.api.clevertap.com, its true address, and nothing leaves
this machine.
"""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import trustme

HOST = "in1.api.clevertap.com"


@contextlib.contextmanager
def proxy(port: int, authority: Path, breaks: int) -> Iterator[dict[str, str]]:
    """Runs one before the sandbox at `port`. Yields the variables that lead the connector through it.

    authority: gets its certificate. breaks: that many connections, after a hundred bytes of answer.
    """
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(HOST).configure_cert(context)
    issuer.cert_pem.write_to_path(str(authority))
    left = {"breaks": breaks}

    class Tunnel(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():  # the request to CONNECT
                pass
            self.wfile.write(b"HTTP/1.1 200 Go\r\n\r\n")
            limit = 100 if left["breaks"] > 0 else None
            left["breaks"] -= 1
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as ours,
                socket.create_connection(("127.0.0.1", port)) as theirs,
            ):
                requests = threading.Thread(target=_copy, args=(ours, theirs, None), daemon=True)
                requests.start()
                _copy(theirs, ours, limit)
                for end in (ours, theirs):
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(end, socket.SHUT_RDWR)  # TLS's own goes on in plain text
                requests.join(10)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield {"HTTPS_PROXY": url, "https_proxy": url, "NO_PROXY": "", "no_proxy": ""}
        server.shutdown()


def _copy(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(limit or 65536):
            target.sendall(piece)
            if limit is not None:
                break
