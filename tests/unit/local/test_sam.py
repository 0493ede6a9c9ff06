"""What `make sam-local` makes of a container engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.sam import bridge_address


@pytest.mark.parametrize(
    ("answer", "address"),
    [("echo 172.17.0.1", "172.17.0.1"), ("echo 172.18.0.0/16", "172.18.0.1"), ("exit 1", "")],
    ids=["a gateway", "a subnet alone", "no engine"],
)
def test_the_machines_address_on_the_containers_network(
    answer: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n{answer}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bridge_address() == address
