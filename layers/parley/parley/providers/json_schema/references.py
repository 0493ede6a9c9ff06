"""References of a caller's schema: what they point to, gathered in `$defs`, and where they lead back to themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from parley.providers.json_schema.keywords import DEEPEST, DEFINITIONS, RefusedSchema, Schema, parts_of


class References:
    """Gathers what the references of a caller's schema point to, as the definitions of the checked one.

    Attributes:
        targets: of each definition its name, where it stands in the caller's schema, and what stands there.
    """

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._names: dict[tuple[str, ...], str] = {}  # of definitions, by where they stand in the caller's schema
        self._sound: set[str] = set()
        self.targets: list[tuple[str, tuple[str, ...], Schema]] = []

    def gathered(self, reference: Any, path: list[str]) -> str:
        """The reference to the definition that the target becomes. Raises UnsupportedSchema as `pointed`."""
        steps, target = self.pointed(reference, path)
        if not steps:
            return "#"
        if steps not in self._names:
            self._names[steps] = self._new_name(steps)
            self.targets.append((self._names[steps], steps, target))
        return f"#/$defs/{self._names[steps]}"

    def _new_name(self, steps: Sequence[str]) -> str:
        """A name for a definition, of characters that need no escape in a reference."""
        said = [step for step in steps if step not in ("properties", *DEFINITIONS)][-2:]
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", "_".join(said))[:50] or "_"
        taken = set(self._names.values())
        return next(one for n in range(1, len(taken) + 2) if (one := name if n == 1 else f"{name}_{n}") not in taken)

    def pointed(self, reference: Any, path: list[str]) -> tuple[tuple[str, ...], Schema]:
        """Where in the caller's schema a reference points to, and what stands there. Raises UnsupportedSchema where
        that is nothing.
        """
        found: Any = self._root
        steps: tuple[str, ...] = ()
        try:
            if reference != "#":
                if not reference.startswith("#/"):
                    raise LookupError(reference)
                pointer = reference[2:].split("/")
                steps = tuple(unquote(step).replace("~1", "/").replace("~0", "~") for step in pointer)
            for step in steps:
                found = found[int(step)] if isinstance(found, list) else found[step]
            if found is not True and not isinstance(found, dict):
                raise LookupError(reference)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise RefusedSchema("$ref", path, "points to nothing in this schema") from None
        return steps, {} if found is True else found

    def check_loops(self, checked: Schema) -> None:
        """Raises UnsupportedSchema for a reference that says of itself what is said there.

        Args:
            checked: the schema with the gathered definitions.
        """
        self._check_loops(checked, checked, [], frozenset({"#"}))
        for name, steps, _ in self.targets:
            self._check_loops(checked, checked["$defs"][name], list(steps), frozenset({f"#/$defs/{name}"}))

    def _check_loops(self, root: Schema, part: Schema, path: list[str], inside: frozenset[str]) -> None:
        for reference in _references_here(part):
            if reference in inside or len(inside) > DEEPEST:
                raise RefusedSchema("$ref", path, "leads back to itself")
            if reference not in self._sound:
                self._check_loops(root, resolve(root, reference), path, inside | {reference})
                self._sound.add(reference)


def resolve(root: Schema, reference: str) -> Schema:
    """What a reference of a checked schema points to: the root, or one of its definitions."""
    return root if reference == "#" else root["$defs"][reference.removeprefix("#/$defs/")]


def _references_here(part: Schema) -> Iterator[str]:
    """The references whose targets a value has to fit, or may fit, that is to fit this part."""
    if "$ref" in part:
        yield part["$ref"]
    for name in ("anyOf", "oneOf", "allOf"):
        for alternative in part.get(name, ()):
            yield from _references_here(alternative)


def recursion(schema: Schema) -> list[str] | None:
    """Where a reference leads back to where it stands; None where none does."""

    def references(part: Schema, path: list[str]) -> Iterator[tuple[str, list[str]]]:
        if "$ref" in part:
            yield part["$ref"], path
        for steps, inner in parts_of(part):
            yield from references(inner, [*path, *steps])

    def search(part: Schema, path: list[str], inside: frozenset[str]) -> list[str] | None:
        for reference, place in references(part, path):
            if reference in inside:
                return place
            if reference not in done:
                if found := search(resolve(schema, reference), place, inside | {reference}):
                    return found
                done.add(reference)
        return None

    done: set[str] = set()
    return search(schema, [], frozenset({"#"}))
