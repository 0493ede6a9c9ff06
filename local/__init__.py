"""What stands in for AWS on a developer's machine; never shipped."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
