"""Where this checkout and its parts lie."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
EVENTS = CHECKOUT / "events"
FUNCTIONS = CHECKOUT / "functions"
LAYER = CHECKOUT / "layers" / "parley"
SCHEMA = CHECKOUT / "schema"
