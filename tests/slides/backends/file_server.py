"""A small web server for slides that can be made to misbehave."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRET = "s3cr3t"  # noqa: S105 (of nobody)


@dataclass
class Behaviour:
    """How the server answers.

    Parameters
    ----------
    ranges : bool
        Whether it sends parts of a file.
    status : int
        What it answers instead of the content, where not 0.
    fail_first : int
        So many requests are answered with 503 before it recovers.
    delay_s : float
        Wait before each answer, seconds.
    cut : float
        Share of the body that is sent before the connection is closed.
    drip_s : float
        Wait between each 4096 bytes, seconds.
    etag : str
        Of the content; changes when the file on the server is replaced.
    missing : int
        What it answers for a file that is not there.
    limit : int
        Requests that are served before the server hangs, or -1.
    """

    ranges: bool = True
    status: int = 0
    fail_first: int = 0
    delay_s: float = 0.0
    cut: float = 1.0
    drip_s: float = 0.0
    etag: str = '"one"'
    missing: int = 404
    limit: int = -1
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(path and query, Range) of each request."""
    sent: int = 0
    """Bytes of content."""


@dataclass(frozen=True)
class FileServer:
    """A running server.

    Parameters
    ----------
    url : str
        Its root, without a slash at the end.
    behaviour : Behaviour
        May be changed while it runs.
    """

    url: str
    behaviour: Behaviour


@contextmanager
def serve(folder: Path) -> Iterator[FileServer]:
    """Serve a folder on a free local port."""
    behaviour = Behaviour()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, behaviour))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield FileServer(f"http://127.0.0.1:{server.server_address[1]}", behaviour)
    finally:
        server.shutdown()
        server.server_close()


def _handler(folder: Path, behaviour: Behaviour) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            behaviour.requests.append((self.path, wanted))
            if 0 <= behaviour.limit < len(behaviour.requests):
                time.sleep(60)
            time.sleep(behaviour.delay_s)
            if behaviour.fail_first > 0:
                behaviour.fail_first -= 1
                self._refuse(503)
                return
            path = folder / self.path.split("?")[0].lstrip("/")
            status = behaviour.status or (0 if path.is_file() else behaviour.missing)
            if status:
                self._refuse(status)
                return
            self._answer(path.read_bytes(), re.match(r"bytes=(\d+)-(\d+)", wanted) if behaviour.ranges else None)

        def _refuse(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _answer(self, content: bytes, part: re.Match[str] | None) -> None:
            body = content if part is None else content[int(part[1]) : int(part[2]) + 1]
            self.send_response(200 if part is None else 206)
            if part is not None:
                self.send_header("Content-Range", f"bytes {part[1]}-{int(part[1]) + len(body) - 1}/{len(content)}")
            self.send_header("ETag", behaviour.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            body = body[: round(len(body) * behaviour.cut)]
            for start in range(0, len(body), 4096 if behaviour.drip_s else max(len(body), 1)):
                time.sleep(behaviour.drip_s)
                self.wfile.write(body[start : start + (4096 if behaviour.drip_s else len(body))])
            behaviour.sent += len(body)
            self.close_connection = behaviour.cut < 1

        def log_message(self, *arguments: object) -> None:
            """Nothing on the screen."""

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that gave up waiting
                super().handle()

    return Handler
