"""KMS, SQS and Secrets Manager for the local functions: moto in a process of its own, and the SQS event sources.

`python -m local.aws DESCRIPTOR` takes a listening socket by number, and its plan from PARLEY_LOCAL_PLAN as JSON:
{"key": {"id", "material"}, "secrets": {name: value}, "queues": {name: properties}, "sources": [...], "invoke": base URL
of the Invoke API}.
The socket exists before this process does, so nobody waits for moto's import: early calls queue up in it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
import urllib.request
from typing import Any

import boto3
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from moto.sqs.models import sqs_backends
from werkzeug.serving import make_server

from local.template.definitions import ACCOUNT, REGION

# Long polling at moto is a loop inside moto; a glance a second is cheaper and soon enough.
_POLL_SECONDS = 1.0


def main(descriptor: int, plan: dict[str, Any]) -> None:
    """Serve until the process is ended."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    listening = socket.socket(fileno=descriptor)
    host, port = listening.getsockname()
    listening.detach()
    _create_key(plan["key"]["id"], plan["key"]["material"])
    for name, value in plan["secrets"].items():
        secretsmanager_backends[ACCOUNT][REGION].create_secret(name, value, None, None, [], None, None, [], False)
    _create_queues(plan["queues"])
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server(host, port, application, True, request_handler=MotoRequestHandler, fd=descriptor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=f"http://{host}:{port}",
                       aws_access_key_id="local", aws_secret_access_key="local")  # fmt: skip
    urls = {source["queue"]: sqs.get_queue_url(QueueName=source["queue"])["QueueUrl"] for source in plan["sources"]}
    while True:
        found = False
        for source in plan["sources"]:
            try:
                found |= _poll(sqs, urls[source["queue"]], source, plan["invoke"])
            except OSError as error:
                print(f"ERROR event source {source['queue']}: {error}", flush=True)
        if not found:
            time.sleep(_POLL_SECONDS)


def _create_key(key_id: str, material: str) -> None:
    """The key as it was in earlier runs: what it encrypted then must decrypt now."""
    backend = kms_backends[ACCOUNT][REGION]
    key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "users' own provider keys", None)
    del backend.keys[key.id]
    key.arn = key.arn.replace(key.id, key_id)
    key.id = key_id
    key.key_material = bytes.fromhex(material)
    backend.keys[key_id] = key


def _create_queues(queues: dict[str, dict[str, Any]]) -> None:
    """Dead-letter queues first: a redrive policy names one that exists."""
    backend = sqs_backends[ACCOUNT][REGION]
    for name, properties in sorted(queues.items(), key=lambda item: "RedrivePolicy" in item[1]):
        known = ("DelaySeconds", "MessageRetentionPeriod", "RedrivePolicy", "VisibilityTimeout")
        backend.create_queue(name, **{key: properties[key] for key in known if key in properties})


def _poll(sqs: Any, url: str, source: dict[str, Any], invoke: str) -> bool:
    """Hand a batch to the function; what it did not report as failed is done. Returns whether there was one."""
    got = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=min(10, source["batch_size"]),
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    messages = got.get("Messages", [])
    if not messages:
        return False
    records = [_record(message, source["queue"]) for message in messages]
    request = urllib.request.Request(
        f"{invoke}/2015-03-31/functions/{source['function']}/invocations",
        data=json.dumps({"Records": records}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        if response.headers.get("X-Amz-Function-Error"):
            return True
        answer = json.loads(response.read() or b"null")
    failures = (answer or {}).get("batchItemFailures") or [] if source["reports_failures"] else []
    failed = {failure["itemIdentifier"] for failure in failures}
    for message in messages:
        if message["MessageId"] not in failed:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return True


def _record(message: dict[str, Any], queue: str) -> dict[str, Any]:
    attributes = {
        name: {key[0].lower() + key[1:]: value for key, value in attribute.items()}
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(os.environ["PARLEY_LOCAL_PLAN"]))
