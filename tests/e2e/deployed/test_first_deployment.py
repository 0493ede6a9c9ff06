"""A first deployment that fails: it can be repeated, and says what it left."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment.emulated import Deployed
from local.deployment.stack import DeploymentFailed, Stack
from testing.deployed import add_resource, release, replace

# A custom resource that nobody serves, after everything else.
FAILING = {
    "Type": "Custom::Failing",
    "DependsOn": "Observability",
    "Properties": {"ServiceToken": "arn:aws:lambda:eu-north-1:000000000000:function:nobody"},
}


@pytest.fixture
def second(deployed: Deployed) -> Iterator[Deployed]:
    """Another stack in the same account, which is not there yet."""
    environment = dataclasses.replace(deployed.stack.environment, stack="parley-second")
    made = dataclasses.replace(deployed, stack=Stack(environment, deployed.stack.account, quiet=True))
    yield made
    made.stack.delete()


def test_it_is_repeated_unless_it_left_a_nested_stack_that_the_next_one_would_make_again(
    second: Deployed, tmp_path: Path
) -> None:
    def without_more(build: Path) -> None:
        add_resource(build, "Failing", FAILING)

    def keeping_a_nested_stack(build: Path) -> None:
        # As the database is kept, which there is not here.
        nested = "\n  Observability:\n    Type: AWS::CloudFormation::Stack\n"
        replace(build / "template.yaml", nested, f"{nested}    DeletionPolicy: Retain\n")
        without_more(build)

    for change in (without_more, keeping_a_nested_stack):
        with pytest.raises(DeploymentFailed, match="Failing"):
            second.deploy(release(tmp_path / change.__name__, change))
        assert second.stack.status() == "ROLLBACK_COMPLETE"
    with pytest.raises(DeploymentFailed, match=r"left .*Observability.* make undeploy ENV=local STACK=parley-second"):
        second.deploy()
