"""An OpenAI-compatible endpoint on 127.0.0.1 that answers as a test wants it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.rl.judges.base_judge import Answer


class Reply(NamedTuple):
    """What the server says. A failed request may be repeated at once."""

    text: str | None = "8"
    status: int = 200
    delay: float = 0.0
    body: bytes | None = None  # instead of a completion
    kind: str = "application/json"
    error: dict[str, Any] | None = None
    hang_up: bool = False
    retry_after: str | None = None  # seconds; otherwise at once


class JudgeServer:
    """Attributes: url; port; requests: their JSON; keys: their Authorization; most: requests that were under way at once."""

    def __init__(self, answer: Callable[[dict[str, Any]], Reply | str], port: int = 0) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.most = self.now = 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet: else each reply waits 40 ms

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.requests.append(asked | {"path": self.path})
                    outer.keys.append(self.headers["Authorization"])
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                try:
                    reply = outer.answer(asked)
                    reply = Reply(reply) if isinstance(reply, str) else reply
                    time.sleep(reply.delay)
                    if reply.hang_up:
                        self.close_connection = True
                        return
                    self.send(reply)
                finally:
                    with lock:
                        outer.now -= 1

            def send(self, reply: Reply) -> None:
                message = {"role": "assistant", "content": reply.text}
                body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m",
                        "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}  # fmt: skip
                if reply.status != 200:
                    body = {"error": reply.error or {"message": "it is what it is", "code": None}}
                data = json.dumps(body).encode() if reply.body is None else reply.body
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                self.send_header("Content-Length", str(len(data)))
                if reply.retry_after is None:
                    self.send_header("retry-after-ms", "1")
                else:
                    self.send_header("Retry-After", reply.retry_after)
                self.end_headers()
                self.wfile.write(data)
                with suppress(ConnectionError):  # whoever asked has waited long enough
                    self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def served(answer: Callable[[dict[str, Any]], Reply | str] | Reply | str = "8", port: int = 0) -> Iterator[JudgeServer]:
    """A server that answers each request with the same reply, or with what a function says."""
    server = JudgeServer(answer if callable(answer) else lambda _: answer, port)
    try:
        yield server
    finally:
        server.close()


def texts(*given: str) -> list[Answer]:
    """Answers to one prompt."""
    return [Answer("The sky is", text, Item("1", "The sky is")) for text in given]


def numbered(count: int) -> list[Answer]:
    """Answers that differ."""
    return texts(*(f" text {number}" for number in range(count)))


def asked_about(request: dict[str, Any], begin: str = "<text>\n", end: str = "\n</text>") -> str:
    """What a request of `OpenAIJudge` wants judged."""
    return request["messages"][0]["content"].partition(begin)[2].partition(end)[0]
