"""`python -m local.postgres`: the running server's address and its console; see `local.postgres.server`."""

from __future__ import annotations

import sys

from local.postgres.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
