"""The secrets of a developer's run: made once, kept in the data folder, readable by their owner alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keys:
    """Attributes:
    jwt_secret: signs and verifies callers' tokens (HS256).
    kms_key_id, kms_key_material: the local KMS key (hex), kept so that stored user keys stay readable.
    password_seed: what the database logins' passwords are derived from.
    """

    jwt_secret: str
    kms_key_id: str
    kms_key_material: str
    password_seed: str

    @classmethod
    def of(cls, folder: Path) -> Keys:
        """The keys of a data folder, made by its first caller; two at the same time agree. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "keys.json"
        if not path.exists():
            fresh = cls(secrets.token_hex(32), str(uuid.uuid4()), secrets.token_hex(32), secrets.token_hex(32))
            draft = folder / f"keys.{secrets.token_hex(4)}"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(asdict(fresh), file)
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return cls(**json.loads(path.read_text()))

    @property
    def webhook_secret(self) -> str:
        """What the voice vendor sends as `X-Vapi-Secret`."""
        return self.password("voice webhook")

    @property
    def voice_secret(self) -> str:
        """The secret of voice calls (docs/voice.md), as JSON: the webhook takes `X-Vapi-Secret`."""
        return json.dumps(
            {
                "webhook": [{"mode": "secret", "secret": self.webhook_secret}],
                "call_token_key": self.password("call tokens"),
                "api_key": self.password("voice vendor"),
            }
        )

    def password(self, login: str) -> str:
        """The password of a database login."""
        return hmac.new(self.password_seed.encode(), login.encode(), hashlib.sha256).hexdigest()
