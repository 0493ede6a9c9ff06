"""AWS beside the functions: KMS, SQS and Secrets Manager by moto, over HTTP."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "eu-north-1"}


def serve_aws(connection: Connection, _number: int) -> None:
    """Be AWS in a process of its own (see `testing.workers`): sends its address, and runs until it is killed."""
    from moto.server import ThreadedMotoServer

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    connection.send(f"http://{host}:{port}")
    connection.poll(None)
