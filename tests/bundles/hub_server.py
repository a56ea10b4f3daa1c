"""A web server on this machine that speaks the hub's protocol, well or badly, by the commit that is asked for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
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
        What every file holds, but those of `repositories`.
    repositories : mapping
        {OWNER/NAME: {file: content}}; these can be listed too.
    """

    url: str
    content: bytes
    repositories: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    """What came as Authorization."""
    ranges: list[tuple[str, str]] = field(default_factory=list)
    """(commit, Range) of each GET."""
    gets: Counter[str] = field(default_factory=Counter)
    """GETs a commit."""


@contextmanager
def serve_hub(content: bytes, repositories: Mapping[str, Mapping[str, bytes]] | None = None) -> Iterator[Hub]:
    """Serve `content` under any name of any repository but those given, on a free local port."""
    hub = Hub("", content, repositories or {})
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
            listed = re.match(r"/api/models/([^/]+/[^/]+)/tree/([0-9a-f]{40})", self.path)
            asked = listed or re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", self.path)
            if asked is None:
                self._refuse(404, "")
                return
            repository, commit = asked[1], asked[2]
            refusal = REFUSALS.get(repository) or REFUSALS.get(commit)
            if refusal:
                self._refuse(*refusal)
                return
            if listed:
                self._list(repository)
                return
            known = hub.repositories.get(repository)
            if known is not None and asked[3] not in known:
                self._refuse(404, "EntryNotFound")
                return
            content = hub.content if known is None else known[asked[3]]
            wanted = self.headers.get("Range", "")
            if with_body:
                hub.gets[commit] += 1
                hub.ranges.append((commit, wanted))
                if commit == CUT and hub.gets[commit] == 2:
                    self._refuse(503, "")
                    return
            self._send(content, commit, wanted, with_body=with_body)

        def _list(self, repository: str) -> None:
            files = hub.repositories.get(repository, {})
            entries = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in files.items()]
            body = json.dumps(entries).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _send(self, content: bytes, commit: str, wanted: str, *, with_body: bool) -> None:
            part = re.fullmatch(r"bytes=(\d+)-", wanted)
            start = int(part[1]) if part else 0
            body = content[start:]
            promised = len(content) + (100 if commit == SHORT else 0)
            if commit == ALTERED:
                body = bytes([body[0] ^ 1]) + body[1:]
            self.send_response(206 if part else 200)
            if part:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if commit != NO_HUB:
                self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Size", str(promised))
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
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
