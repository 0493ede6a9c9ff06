"""What is complete in a model's structured answer: JSON among prose, in a fence, with a fault or cut by length."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

# Models put line feeds into strings as they are.
_decode = json.JSONDecoder(strict=False).raw_decode
_THINKING_TAG = re.compile(r"<(/?)(think|thinking|thought|reasoning|scratchpad)\b[^<>]*>", re.IGNORECASE)
_OPENING = re.compile(r"[{\[]")
_MEMBER = re.compile(r'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*', re.DOTALL)
_BETWEEN_ITEMS = re.compile(r"[\s,]*")
# What is nested is read again from each bracket inside. A text is read this often at most, or this many characters; a
# fault costs as much as reading so many.
_MOST_READINGS = 20
_LEAST_CHARACTERS = 200_000
_FAULT_CHARACTERS = 200
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
    there is none, objects that stand alone. Of several objects the one with the most items counts, the last among
    equals, and what stands in a thinking block only where nothing else is there. Empty where there is none, and where a
    text is nested beyond all sense.
    """
    text = _BACKSLASH.sub(lambda found: found[1] or r"\\", text)
    # An answer that begins with JSON has no thinking block before it; its strings may name one.
    thinks = "</" in text and not text.lstrip().startswith(("{", "["))
    spoken = _without_thinking(text) if thinks else text
    for part in dict.fromkeys((spoken, text, _unquoted(spoken))):
        best: Found = {}
        for found in _Reader(part, name).objects():
            if len(found[name]) >= len(best.get(name, ())):
                best = found
        if best.get(name):
            return best
    alone = [] if best else [item for item in _Reader(spoken, name).objects_alone() if item and name not in item]
    return {name: alone} if alone else best


def _unquoted(text: str) -> str:
    """What `text` says where all of it is one JSON string, or the inside of one; empty where it is not."""
    inside = text.strip().removeprefix('"').removesuffix('"')
    try:
        return str(_decode(f'"{inside}"')[0]) if '\\"' in inside else ""
    except ValueError:
        return ""


def _without_thinking(text: str) -> str:
    """The text without its thinking blocks; what comes before an end that was never begun is one too."""
    kept: list[str] = []
    at = 0
    begun: dict[str, int] = {}
    for tag in _THINKING_TAG.finditer(text):
        kind = tag[2].lower()
        if not tag[1]:
            begun.setdefault(kind, tag.start())
        elif kind in begun:
            kept.append(text[at : begun[kind]])
            at = tag.end()
            begun = {}
        else:
            kept.clear()
            at = tag.end()
    return "".join(kept) + text[at:]


class _TooNested(Exception):
    """Reading goes over the same text again and again, or deeper than the parser does."""


class _Reader:
    """Reads one text for an object with a list `name`."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._names = [found.start() for found in re.finditer(f'"{re.escape(name)}"\\s*:', text)]
        self._characters_left = max(_MOST_READINGS * len(text), _LEAST_CHARACTERS)

    def objects(self) -> list[Found]:
        """Every object with the list, or list, in the order in which they begin."""
        text, name = self._text, self._name
        found: list[Found] = []
        at = 0
        while opening := _OPENING.search(text, at):
            at = opening.start()
            try:
                one, end = self._object(at) if text[at] == "{" else self._items_alone(at)
            except _TooNested:
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

    def objects_alone(self) -> list[Found]:
        """Every complete object that is in no other."""
        found: list[Found] = []
        at = self._text.find("{")
        while at >= 0:
            try:
                one, end = self._value(at)
                found.append(one)
            except ValueError:
                end = at + 1
            except _TooNested:
                break
            at = self._text.find("{", end)
        return found

    def _value(self, at: int) -> tuple[Any, int]:
        """The JSON value that begins at `at`, and where it ends. Raises ValueError, _TooNested."""
        if self._characters_left < 0:
            raise _TooNested
        try:
            value, end = _decode(self._text, at)
        except RecursionError:
            raise _TooNested from None
        except ValueError as error:
            self._characters_left -= getattr(error, "pos", at) - at + _FAULT_CHARACTERS
            raise
        self._characters_left -= end - at
        return value, end

    def _object(self, at: int) -> tuple[Found, int]:
        """The object that begins at `at`, as far as it parses, and where that ends."""
        try:
            found: Found
            found, end = self._value(at)
            return found, end
        except ValueError:
            found = {}
        at += 1
        while member := _MEMBER.match(self._text, at):
            at = member.end()
            try:
                if member[1] == self._name and self._text.startswith("[", at):
                    found[self._name], at = self._items(at + 1)
                else:
                    found[member[1]], at = self._value(at)
            except ValueError:
                # A fault before the list costs only the member that has it.
                later = bisect_left(self._names, at)
                if self._name in found or later == len(self._names):
                    break
                at = self._names[later]
        return found, at

    def _items_alone(self, at: int) -> tuple[Found, int]:
        items, end = self._items(at + 1)
        objects = [item for item in items if isinstance(item, dict) and self._name not in item]
        return ({self._name: objects} if objects else {}), end

    def _items(self, at: int) -> tuple[list[Any], int]:
        """The items of the list whose bracket was opened before `at`, but for those that do not parse."""
        text = self._text
        items: list[Any] = []
        while True:
            between = _BETWEEN_ITEMS.match(text, at)
            at = between.end() if between else at
            if at >= len(text) or text[at] == "]":
                return items, at + 1
            try:
                item, at = self._value(at)
                items.append(item)
            except ValueError:
                at = text.find("{", at + 1)
                if at < 0:
                    return items, len(text)
