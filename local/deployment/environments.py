"""What samconfig.toml says of an environment: `[ENV.deploy.parameters]`, the file that the SAM CLI reads as well."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from local.checkout import CHECKOUT

CONFIGURATION = CHECKOUT / "samconfig.toml"


class UnknownEnvironment(ValueError):
    """There is no such environment; the message says which there are."""


@dataclass(frozen=True)
class Environment:
    """Where a deployment goes and with what.

    Attributes:
        name: of `make deploy ENV=...`; also the middle of its secrets' names.
        stack: the stack's name.
        region: of AWS.
        parameters: values of the template's parameters where the default does not serve.
        tags: on every resource of the stack that can have tags.
    """

    name: str
    stack: str
    region: str
    parameters: dict[str, str]
    tags: dict[str, str]

    @property
    def architecture(self) -> str:
        """The processor that its functions are built for."""
        return self.parameters.get("Architecture", "x86_64")


def read(name: str, configuration: Path = CONFIGURATION) -> Environment:
    """An environment as it is configured. Raises UnknownEnvironment."""
    sections = tomllib.loads(configuration.read_text(encoding="utf-8"))
    known = [section for section, commands in sections.items() if isinstance(commands, dict) and "deploy" in commands]
    if name not in known:
        raise UnknownEnvironment(f"the environments of samconfig.toml are {', '.join(known)}; ENV={name} is none")
    values = sections[name]["deploy"]["parameters"]
    return Environment(
        name=name,
        stack=values["stack_name"],
        region=values["region"],
        parameters=_pairs(values.get("parameter_overrides", [])),
        tags=_pairs(values.get("tags", [])),
    )


def _pairs(texts: list[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)
