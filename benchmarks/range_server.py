"""A file server in a process of its own that sends parts of files, as object stores do, after a set delay.

Run: python benchmarks/range_server.py FOLDER DELAY_MS; prints its port.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def serve(folder: Path, delay_ms: float = 0.0) -> Iterator[str]:
    """Serve a folder; gives the URL of its root."""
    command = [sys.executable, __file__, str(folder), str(delay_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def handler(folder: Path, delay_s: float) -> type[BaseHTTPRequestHandler]:
    """Answers GET and HEAD."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._head((folder / self.path.lstrip("/")).stat().st_size, None)

        def do_GET(self) -> None:
            with (folder / self.path.lstrip("/")).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                part = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                start, stop = (int(part[1]), min(int(part[2] or size - 1), size - 1) + 1) if part else (0, size)
                self._head(size, (start, stop) if part else None)
                self.wfile.flush()
                while start < stop:
                    start += os.sendfile(self.connection.fileno(), file.fileno(), start, stop - start)

        def _head(self, size: int, part: tuple[int, int] | None) -> None:
            time.sleep(delay_s)
            self.send_response(206 if part else 200)
            if part:
                self.send_header("Content-Range", f"bytes {part[0]}-{part[1] - 1}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(part[1] - part[0] if part else size))
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing on the screen."""

    return Handler


class RangeServer(ThreadingHTTPServer):
    """Says nothing of clients that have read enough and hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell of errors that are ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    """Serve until the process is ended."""
    folder, delay_ms = Path(sys.argv[1]), float(sys.argv[2])
    server = RangeServer(("127.0.0.1", 0), handler(folder, delay_ms / 1000))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
