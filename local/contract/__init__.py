"""What other people's tools make of docs/openapi.json: schemathesis, and a client that openapi-python-client writes."""
