"""What the functions under test know of the voice vendor."""

from __future__ import annotations

import json
from typing import Final

WEBHOOK_SECRET: Final = "a webhook secret of the tests"
VOICE_SECRET: Final = json.dumps(
    {
        "webhook": [{"mode": "secret", "secret": WEBHOOK_SECRET}],
        "call_token_key": "a key for call tokens of more than thirty-two characters",
        "api_key": "the key of the voice vendor",
    }
)
SIGNED: Final = {"X-Vapi-Secret": WEBHOOK_SECRET}
