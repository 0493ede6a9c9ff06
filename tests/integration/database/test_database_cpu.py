"""A small sample of benchmarks/database_cpu.py: every side serves chats, whatever was taken away from it."""

from __future__ import annotations

from benchmarks.database_cpu import AS_IT_IS, WITHOUT, Side, measure
from local.checkout import SCHEMA
from local.postgres.server import Server


def test_each_side_serves_its_chats(postgres: Server) -> None:
    with Server.throwaway(postgres.major) as server:
        sides = [Side(server, AS_IT_IS, SCHEMA), Side(server, "bare", SCHEMA, list(WITHOUT.values()))]
        measure(sides, rounds=2, chats=3)
        for side in sides:
            assert len(side.rounds) == 2
            side.database.close()
