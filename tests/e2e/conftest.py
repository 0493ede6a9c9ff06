"""A running Parley for the tests of whole requests; with `--deployed` a stack in MiniStack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment.api import Api
from local.deployment.emulated import Deployed, emulated
from local.postgres.server import Server
from local.run.platform import Platform
from testing.platforms import platform_over

DOMAIN = "api.example.com"
CERTIFICATE = "arn:aws:acm:eu-north-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"
_STACK = Path(__file__).with_name("deployed")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the stack's own tests to `make test-deployed`."""
    return True if collection_path == _STACK and not config.getoption("deployed") else None


@pytest.fixture(scope="session")
def platform(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Parley as `make run` serves it, on a free port and a database of its own; the providers are emulated."""
    with platform_over(postgres, tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """What `sam build` left, as a stack in MiniStack with everything around it of its own."""
    with emulated(tmp_path_factory.mktemp("deployed") / "ministack.log", quiet=True) as deployed:
        deployed.deploy(DomainName=DOMAIN, CertificateArn=CERTIFICATE, BasePath="parley")
        yield deployed


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest) -> Api:
    """A running API: of `make run`, or with `--deployed` of a stack."""
    if request.config.getoption("deployed"):
        deployed: Deployed = request.getfixturevalue("deployed")
        return deployed.api
    platform: Platform = request.getfixturevalue("platform")
    return Api(platform.url, platform.token, platform.keys.webhook_secret)


@pytest.fixture(scope="session")
def is_deployed(pytestconfig: pytest.Config) -> bool:
    """Whether MiniStack answers, and not `make run`."""
    return bool(pytestconfig.getoption("deployed"))
