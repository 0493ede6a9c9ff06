"""HTTP: routes, requests, who is calling, and how answers, streams and problems look on the wire."""
