"""Moving stored keys under the current KMS key."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypedDict

from parley.core.caller import SERVICE
from parley.core.errors import Problem
from parley.core.observability import logger
from parley.database.connection import Database
from parley.own_keys.cipher import KeyCipher


class KeyRotationReport(TypedDict):
    """How many keys were moved, how many KMS did not open, and whether none was left when time was up."""

    rotated: int
    unreadable: int
    finished: bool


class KeyRotation(NamedTuple):
    """Moving every stored key under the current KMS key; the plaintext never leaves KMS."""

    database: Database
    key_cipher: KeyCipher

    def rotate(self, time_left: Callable[[], float]) -> KeyRotationReport:
        """Re-encrypt what another KMS key encrypted, until nothing is left or `time_left()` falls under ten seconds.

        A row that KMS does not open (moved from another user, say) is left, counted and logged; the others go on.
        Raises Problem (503) when KMS does not answer.
        """
        rotated = unreadable = 0
        finished = False
        last = ("", "")
        while time_left() > 10:
            rows = self.database.query(
                SERVICE.claims,
                """
                select user_id, provider, ciphertext from app.provider_keys
                where kms_key_id is distinct from %s and (user_id, provider) > (%s, %s)
                order by user_id, provider limit 100
                """,
                (self.key_cipher.kms_key_id, *last),
                idempotent=True,
            )
            if not rows:
                finished = True
                break
            for row in rows:
                last = (row["user_id"], row["provider"])
                try:
                    fresh = self.key_cipher.re_encrypt(row["user_id"], row["provider"], row["ciphertext"])
                except Problem as error:
                    if error.code != "own_key_unreadable":
                        raise
                    unreadable += 1
                    continue
                # The old ciphertext says which key this was: one that was replaced meanwhile is left alone.
                moved = self.database.query(
                    SERVICE.claims,
                    """
                    update app.provider_keys set ciphertext = %s, kms_key_id = %s
                    where user_id = %s and provider = %s and ciphertext = %s
                    returning user_id
                    """,
                    (fresh, self.key_cipher.kms_key_id, *last, row["ciphertext"]),
                    idempotent=True,
                )
                rotated += len(moved)
        if unreadable:
            logger.error("own keys that KMS does not open", count=unreadable)
        report: KeyRotationReport = {"rotated": rotated, "unreadable": unreadable, "finished": finished}
        logger.info("own keys rotated", report=report)
        return report
