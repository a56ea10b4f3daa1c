"""A web server on this machine that speaks as OpenAI's does, well or in one of the ways in which such servers fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEXT = "Neuropil: abundant (41 % of tissue). Nuclei are small and dark. No necrosis is seen."
OTHER_TEXT = "Neuropil: scant (2 % of tissue). Nuclei are small and dark."


@dataclass
class ChatServer:
    """A running server and what it was asked."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set when a client went away in the middle of an answer."""
    release: threading.Event = field(default_factory=threading.Event)
    """Ends all waiting."""


@contextmanager
def serve_chat(behaviour: str, **options: Any) -> Iterator[ChatServer]:
    """Serve on a free local port; `behaviour` is a name in `BEHAVIOURS`."""
    chat = ChatServer("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(chat, behaviour, options))
    server.daemon_threads = True
    chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield chat
    finally:
        chat.release.set()
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """What all behaviours use; `chat` and `options` are of the server."""

    chat: ChatServer
    options: dict[str, Any]

    def head(self, status: int = 200, kind: str = "text/event-stream", **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def event(self, content: str | None, reason: str | None = None) -> None:
        delta = {} if content is None else {"content": content}
        self.line(json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))

    def line(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def words(self, text: str) -> None:
        for word in text.split(" "):
            self.event(word + " ")

    def log_message(self, *arguments: object) -> None:
        """Nothing on the screen."""


def _good(h: Handler) -> None:
    h.head()
    h.event("")
    h.words(h.options.get("text", TEXT))
    h.event(None, h.options.get("reason", "stop"))
    h.line(json.dumps({"choices": [], "usage": {"total_tokens": 3}}))
    h.line("[DONE]")


def _by_picture(h: Handler) -> None:
    """Another text for every second tile."""
    h.options = {"text": TEXT if len(h.chat.bodies) % 2 else OTHER_TEXT}
    _good(h)


def _in_one_piece(h: Handler) -> None:
    h.head(kind="application/json")
    h.wfile.write(json.dumps({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}).encode())


def _byte_by_byte(h: Handler) -> None:
    h.head()
    for byte in f"data: {json.dumps({'choices': [{'delta': {'content': TEXT}}]})}\r\n\r\ndata: [DONE]\r\n\r\n".encode():
        h.wfile.write(bytes([byte]))
        h.wfile.flush()


def _hangs(h: Handler) -> None:
    h.chat.release.wait(30)


def _hangs_after_the_head(h: Handler) -> None:
    h.head()
    h.chat.release.wait(30)


def _trickles(h: Handler) -> None:
    """A byte of nothing every now and then, so that no single wait is long."""
    h.head()
    with suppress(OSError):
        while not h.chat.release.wait(0.05):
            h.wfile.write(b":")
            h.wfile.flush()


def _hangs_in_the_middle(h: Handler) -> None:
    h.head()
    h.words("Neuropil: abundant. Nuclei are")
    h.chat.release.wait(30)


def _never_ends(h: Handler) -> None:
    h.head()
    try:
        while not h.chat.release.wait(0.01):
            h.words("Nuclei are small.")
    except OSError:
        h.chat.hung_up.set()


def _closes_in_the_middle(h: Handler) -> None:
    h.head()
    h.words("Neuropil: abundant. Nuclei are")


def _closes_at_once(h: Handler) -> None:
    h.close_connection = True


def _answers_nothing(h: Handler) -> None:
    h.head()


def _empty_text(h: Handler) -> None:
    h.head()
    h.event("", "stop")
    h.line("[DONE]")


def _status(h: Handler) -> None:
    h.head(h.options["status"], "application/json", **h.options.get("headers", {}))
    h.wfile.write(json.dumps({"error": {"message": h.options.get("message", "out of luck")}}).encode())


def _in_turns(h: Handler) -> None:
    """Each question after another manner: `turns` of (behaviour, options)."""
    turns = h.options["turns"]
    behaviour, h.options = turns[min(len(h.chat.bodies), len(turns)) - 1]
    BEHAVIOURS[behaviour](h)


def _raw(h: Handler) -> None:
    """`body` as it is, and an end."""
    h.head(kind=h.options.get("kind", "text/event-stream"))
    h.wfile.write(h.options["body"])


def _late(h: Handler) -> None:
    """In one piece, after `wait` seconds, as a server that does not stream."""
    h.chat.release.wait(h.options["wait"])
    _in_one_piece(h)


def _begins_in_one_piece(h: Handler) -> None:
    h.head(kind="application/json")
    h.wfile.write(b'{"choices": [{"mess')
    h.chat.release.wait(30)


def _floods(h: Handler) -> None:
    h.head()
    try:
        while not h.chat.release.is_set():
            h.event(h.options["text"])
    except OSError:
        h.chat.hung_up.set()


def _redirects(h: Handler) -> None:
    h.head(307, Location=h.options["to"])


def _page(h: Handler) -> None:
    h.head(kind="text/html")
    h.wfile.write(b"<html>It works!</html>")


def _broken_event(h: Handler) -> None:
    h.head()
    h.line("{not json")


def _other_json(h: Handler) -> None:
    h.head(kind="application/json")
    h.wfile.write(b'{"answer": 42}')


def _error_event(h: Handler) -> None:
    h.head()
    h.words("Neuropil is")
    h.line(json.dumps({"error": {"message": "CUDA out of memory"}}))


def _garbled_http(h: Handler) -> None:
    h.wfile.write(b"\x16\x03\x01 what?\r\n\r\n")


BEHAVIOURS: dict[str, Callable[[Handler], None]] = {
    name.strip("_"): behaviour
    for name, behaviour in list(globals().items())
    if name.startswith("_") and callable(behaviour) and getattr(behaviour, "__module__", "") == __name__
}


def _handler(chat: ChatServer, behaviour: str, options: dict[str, Any]) -> type[BaseHTTPRequestHandler]:
    shared_chat, shared_options = chat, options

    class Answering(Handler):
        chat = shared_chat
        options = shared_options

        def do_GET(self) -> None:
            self.chat.paths.append(self.path)
            self.head(kind="application/json")
            self.wfile.write(
                json.dumps({"data": [{"id": name} for name in self.options.get("models", ["m"])]}).encode()
            )

        def do_POST(self) -> None:
            self.chat.paths.append(self.path)
            self.chat.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.chat.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            BEHAVIOURS[behaviour](self)

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    return Answering


def wait_until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()
