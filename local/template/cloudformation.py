"""Reads CloudFormation: YAML with its short tags, and the intrinsic functions a template's values are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

NO_VALUE = object()
_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


class TemplateError(ValueError):
    """The template cannot be read; the message is one line."""


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML in which `!Ref x` reads as {"Ref": x} and `!Sub x` as {"Fn::Sub": x}."""


def _construct(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_multi_constructor("!", _construct)


def load(path: Path) -> dict[str, Any]:
    """The template as nested dicts with the long form of every function. Raises TemplateError."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise TemplateError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise TemplateError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"{path} has no Resources")
    return document


class Resolver:
    """Gives the values of a template's expressions.

    Args:
        document: what `load` returned.
        parameters: values that replace the parameters' defaults.
        attributes: what `Ref` ("UsageQueue") and `GetAtt` ("UsageQueue.Arn") of resources stand for, and the pseudo
            parameters. What is absent reads as `local:Name`: nothing stands in for that resource.
    """

    def __init__(
        self, document: Mapping[str, Any], parameters: Mapping[str, str], attributes: Mapping[str, str]
    ) -> None:
        self._conditions: Mapping[str, Any] = document.get("Conditions") or {}
        self._values: dict[str, Any] = {
            name: _typed(declared, parameters.get(name, declared.get("Default", "")))
            for name, declared in (document.get("Parameters") or {}).items()
        } | dict(attributes)

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic function applied; NO_VALUE where the template says AWS::NoValue.

        Raises TemplateError for a function that is not known here.
        """
        if isinstance(value, list):
            resolved = [self.resolve(item) for item in value]
            return [item for item in resolved if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if name == "Ref" or name.startswith("Fn::"):
                return self._apply(name.removeprefix("Fn::"), argument)
        pairs = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not NO_VALUE}

    def text(self, value: Any) -> str:
        """The value as an environment variable holds it."""
        resolved = self.resolve(value)
        if isinstance(resolved, bool):
            return "true" if resolved else "false"
        if isinstance(resolved, list):
            return ",".join(map(str, resolved))
        return json.dumps(resolved) if isinstance(resolved, dict) else str(resolved)

    def condition(self, name: str) -> bool:
        """Whether a named condition holds."""
        if name not in self._conditions:
            raise TemplateError(f"there is no condition {name}")
        return bool(self.resolve(self._conditions[name]))

    def _apply(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._reference(argument)
            case "GetAtt":
                return self._reference(".".join(argument) if isinstance(argument, list) else argument)
            case "If":
                condition, then, otherwise = argument
                return self.resolve(then if self.condition(condition) else otherwise)
            case "Equals":
                left, right = (self.text(item) for item in argument)
                return left == right
            case "Not":
                return not self.resolve(argument)[0]
            case "And":
                return all(self.resolve(argument))
            case "Or":
                return any(self.resolve(argument))
            case "Join":
                separator, parts = argument
                return str(separator).join(map(str, self.resolve(parts)))
            case "Split":
                separator, text = argument
                return self.text(text).split(separator)
            case "Select":
                index, items = argument
                return self.resolve(items)[int(index)]
            case "Sub":
                return self._substitute(argument)
        raise TemplateError(f"Fn::{name} is not known to the local stand-in")

    def _reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self._values.get(name, f"local:{name}")

    def _substitute(self, argument: Any) -> str:
        text, names = argument if isinstance(argument, list) else (argument, {})
        own = {name: self.text(value) for name, value in names.items()}

        def replaced(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            return own[name] if name in own else str(self._reference(name))

        return _VARIABLE.sub(replaced, text)


def _typed(declared: Mapping[str, Any], value: Any) -> Any:
    """A parameter's value; lists come as comma-separated text."""
    if str(declared.get("Type", "")).startswith(("List<", "CommaDelimitedList")):
        return [part.strip() for part in str(value).split(",")] if value else []
    return value
