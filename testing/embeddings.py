"""A vendor of embeddings in OpenAI's place, whose vectors are given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def embeddings_server(vector_of: Callable[[str, int], Any], seconds: float = 0.0) -> ThreadingHTTPServer:
    """A server on a free port of the loopback; the caller serves and ends it.

    Args:
        vector_of: gives a text's vector for so many dimensions, as a list of numbers or as base64 of 32-bit floats.
        seconds: how long each answer takes.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 20  # one packet for head and body: two would wait for each other's acknowledgement

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(seconds)
            rows = [
                {"object": "embedding", "index": index, "embedding": vector_of(text, body["dimensions"])}
                for index, text in enumerate(body["input"])
            ]
            usage = {"prompt_tokens": len(rows), "total_tokens": len(rows)}
            answer = json.dumps({"object": "list", "model": body["model"], "data": rows, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
