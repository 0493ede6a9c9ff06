"""What is complete in a model's structured answer: JSON among prose, in a fence, with a fault or cut by length."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

# Models put line feeds into strings as they are.
_decode = json.JSONDecoder(strict=False).raw_decode
_THINKING = re.compile(r"<(think|thinking|thought|reasoning|scratchpad)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_END_OF_THINKING = re.compile(r"\A.*</(?:think|thinking|thought|reasoning|scratchpad)\s*>", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(r"[{\[]")
_MEMBER = re.compile(r'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*', re.DOTALL)
_BETWEEN_ITEMS = re.compile(r"[\s,]*")
# A backslash and what JSON lets follow it, or a backslash that stands for itself: in a path, a pattern, a formula.
_BACKSLASH = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))|\\')

Found = dict[str, Any]


class InvalidAnswer(ValueError):
    """A structured answer that cannot be used.

    Args:
        text: the answer.
        faults: what is wrong with it, one sentence each, without anything that the model or a caller wrote.
    """

    def __init__(self, text: str, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.text = text
        self.faults = tuple(faults)


def object_with_list(text: str, name: str) -> Found:
    """The object in `text` that has a list `name`, with the members and the items that are complete and parse.

    A list without an object around it counts as well, one written as JSON text or with its items' names, and where
    there is none, objects that stand alone. Of several objects the one with
    the most items counts, the last among equals, and what stands in a thinking block only where nothing else is there.
    Empty where there is none.
    """
    text = _BACKSLASH.sub(lambda found: found[1] or r"\\", text)
    # An answer that begins with JSON has no thinking block before it; its strings may name one.
    thinks = "</" in text and not text.lstrip().startswith(("{", "["))
    spoken = _END_OF_THINKING.sub("", _THINKING.sub("", text)) if thinks else text
    for part in dict.fromkeys((spoken, text, _unquoted(spoken))):
        best: Found = {}
        for found in _objects(part, name):
            if len(found[name]) >= len(best.get(name, ())):
                best = found
        if best.get(name):
            return best
    alone = [] if best else [item for item in _objects_alone(spoken) if item and name not in item]
    return {name: alone} if alone else best


def _unquoted(text: str) -> str:
    """What `text` says where all of it is one JSON string, or the inside of one; empty where it is not."""
    inside = text.strip().removeprefix('"').removesuffix('"')
    try:
        return str(_decode(f'"{inside}"')[0]) if '\\"' in inside else ""
    except ValueError:
        return ""


def _objects(text: str, name: str) -> list[Found]:
    """Every object with a list `name`, or list, in the order in which they begin."""
    found: list[Found] = []
    at = 0
    while opening := _OPENING.search(text, at):
        at = opening.start()
        try:
            one, end = _object(text, at, name) if text[at] == "{" else _items_alone(text, at, name)
        except RecursionError:  # nested beyond all sense
            break
        if isinstance(one.get(name), str):
            one = one | object_with_list(one[name], name)
        elif isinstance(one.get(name), dict):
            items = [item for item in one[name].values() if isinstance(item, dict)]
            one = one | {name: items or ([one[name]] if one[name] else [])}
        if isinstance(one.get(name), list):
            found.append(one)
            at = end
        else:
            at += 1  # perhaps inside
    return found


def _objects_alone(text: str) -> list[Found]:
    """Every complete object that is in no other."""
    found: list[Found] = []
    at = text.find("{")
    while at >= 0:
        try:
            one, end = _decode(text, at)
            found.append(one)
        except ValueError:
            end = at + 1
        except RecursionError:
            break
        at = text.find("{", end)
    return found


def _object(text: str, at: int, name: str) -> tuple[Found, int]:
    """The object that begins at `at`, as far as it parses, and where that ends."""
    try:
        return _decode(text, at)
    except ValueError:
        pass
    found: Found = {}
    at += 1
    while member := _MEMBER.match(text, at):
        at = member.end()
        try:
            if member[1] == name and text.startswith("[", at):
                found[name], at = _items(text, at + 1)
            else:
                found[member[1]], at = _decode(text, at)
        except ValueError:
            # A fault before the list costs only the member that has it.
            at = next((later.start() for later in re.finditer(f'"{re.escape(name)}"\\s*:', text[at:])), -1) + at
            if name in found or not text.startswith('"', at):
                break
    return found, at


def _items_alone(text: str, at: int, name: str) -> tuple[Found, int]:
    items, end = _items(text, at + 1)
    objects = [item for item in items if isinstance(item, dict) and name not in item]
    return ({name: objects} if objects else {}), end


def _items(text: str, at: int) -> tuple[list[Any], int]:
    """The items of the list whose bracket was opened before `at`, but for those that do not parse."""
    items: list[Any] = []
    while True:
        between = _BETWEEN_ITEMS.match(text, at)
        at = between.end() if between else at
        if at >= len(text) or text[at] == "]":
            return items, at + 1
        try:
            item, at = _decode(text, at)
            items.append(item)
        except ValueError:
            at = text.find("{", at + 1)
            if at < 0:
                return items, len(text)
