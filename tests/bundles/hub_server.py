"""A web server on this machine that speaks the hub's protocol, well or badly, by the commit that is asked for."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD, CUT, SHORT, ALTERED = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
NO_COMMIT, NO_FILE, NO_HUB, DOWN = ("e" * 40, "f" * 40, "1" * 40, "2" * 40)

# What the hub answers for a repository or commit that one may not have, or that is not there: status and X-Error-Code.
REFUSALS = {
    "MahmoodLab/UNI": (401, "GatedRepo"),
    "MahmoodLab/UNI2-h": (403, "GatedRepo"),
    "paige-ai/Virchow2": (401, ""),
    NO_COMMIT: (404, "RevisionNotFound"),
    NO_FILE: (404, "EntryNotFound"),
    DOWN: (500, ""),
}


@dataclass
class Hub:
    """A running server.

    Parameters
    ----------
    url : str
        Its root.
    content : bytes
        What every file holds.
    """

    url: str
    content: bytes
    tokens: list[str] = field(default_factory=list)
    """What came as Authorization."""
    ranges: list[tuple[str, str]] = field(default_factory=list)
    """(commit, Range) of each GET."""
    gets: Counter[str] = field(default_factory=Counter)
    """GETs a commit."""


@contextmanager
def serve_hub(content: bytes) -> Iterator[Hub]:
    """Serve `content` under any name of any repository, on a free local port."""
    hub = Hub("", content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            hub.tokens.append(self.headers.get("Authorization", ""))
            asked = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", self.path)
            if asked is None:
                self._refuse(404, "")
                return
            repository, commit, _ = asked.groups()
            refusal = REFUSALS.get(repository) or REFUSALS.get(commit)
            if refusal:
                self._refuse(*refusal)
                return
            wanted = self.headers.get("Range", "")
            if with_body:
                hub.gets[commit] += 1
                hub.ranges.append((commit, wanted))
                if commit == CUT and hub.gets[commit] == 2:
                    self._refuse(503, "")
                    return
            self._send(commit, wanted, with_body=with_body)

        def _send(self, commit: str, wanted: str, *, with_body: bool) -> None:
            part = re.fullmatch(r"bytes=(\d+)-", wanted)
            start = int(part[1]) if part else 0
            body = hub.content[start:]
            promised = len(hub.content) + (100 if commit == SHORT else 0)
            if commit == ALTERED:
                body = bytes([body[0] ^ 1]) + body[1:]
            self.send_response(206 if part else 200)
            if part:
                self.send_header("Content-Range", f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}")
            if commit != NO_HUB:
                self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Size", str(promised))
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(hub.content).hexdigest()}"')
            self.send_header("ETag", '"whatever"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                cut = commit == CUT and hub.gets[commit] == 1
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = cut

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing on the screen."""

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    return Handler
