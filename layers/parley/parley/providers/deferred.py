"""Packages of an SDK that are loaded at the first use of one of their names.

An SDK's package imports every type that the SDK knows, hundreds of modules; the adapters send and read JSON and use
none of them. What is deferred is there all the same, for whoever asks for it.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any, cast

_LOADING = RLock()


class _Deferred(ModuleType):
    """A package that is found, and whose `__init__` has not run yet.

    `importlib.util.LazyLoader` runs it at any attribute, also at the path that the import of a module inside asks for.
    """

    def __getattr__(self, name: str) -> Any:
        with _LOADING:
            if vars(self).get("_is_loading"):  # its own `__init__`, which has not come that far
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
            if type(self) is _Deferred:
                vars(self)["_is_loading"] = True
                try:
                    cast("Any", self.__spec__).loader.exec_module(self)
                    self.__class__ = ModuleType  # type: ignore[assignment]
                finally:
                    del vars(self)["_is_loading"]
        return getattr(self, name)


def defer(*names: str) -> None:
    """Have packages loaded at first use; one whose top package is loaded already stays as it is.

    Args:
        names: of packages inside another one, with dots; an outer one before those inside it.

    Raises:
        ModuleNotFoundError: there is no such package.
    """
    if {names[0], names[0].partition(".")[0]} & sys.modules.keys():
        return
    for name in names:
        path, spec, parts = None, None, name.split(".")
        for length in range(1, len(parts) + 1):
            spec = PathFinder.find_spec(".".join(parts[:length]), path)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            path = spec.submodule_search_locations
        module = module_from_spec(cast("ModuleSpec", spec))
        module.__class__ = _Deferred
        sys.modules[name] = module
        outer, _, last = name.rpartition(".")
        if outer in sys.modules:
            setattr(sys.modules[outer], last, module)
