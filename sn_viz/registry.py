"""A drop-in registry: one file in a folder is one choice in the app.

Takes a package whose modules call ``@registry.register("name")``; returns the named objects in the order of their names'
registration. It knows nothing about what is registered.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from sn_viz.errors import UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named choices of one kind, filled by importing every module of ``package`` on first use.

    Parameters
    ----------
    kind : str
        What the choices are, for messages: "threshold rule", "site".
    package : str
        Import path of the folder that holds one module per choice.
    first : sequence of str
        Modules of the folder that come first, in this order; all others follow in the order of their names.

    Raises
    ------
    ValueError
        When two modules register the same name.
    UserError
        When an unknown name is looked up; the message lists what there is.
    """

    def __init__(self, kind: str, package: str, first: Sequence[str] = ()) -> None:
        self.kind, self.package, self.first = kind, package, tuple(first)
        self._entries: dict[str, T] = {}
        self._costly: set[str] = set()
        self._loaded = False

    def register(self, name: str, *, costly: bool = False) -> Callable[[T], T]:
        """Return a decorator that files an object under ``name``; what is ``costly`` is run when named, not as one of all."""

        def file(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"two {self.kind}s are called {name!r}")
            self._entries[name] = entry
            if costly:
                self._costly.add(name)
            return entry

        return file

    def _load(self) -> None:
        if not self._loaded:
            package = importlib.import_module(self.package)
            found = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
            for name in (*self.first, *(name for name in found if name not in self.first)):
                importlib.import_module(f"{self.package}.{name}")
            self._order()
            self._loaded = True

    def _order(self) -> None:
        """Put what the first modules registered first, whoever was imported before them."""
        made_in = {name: getattr(entry, "__module__", "").removeprefix(f"{self.package}.") for name, entry in self._entries.items()}
        first = [name for module in self.first for name in self._entries if made_in[name] == module]
        self._entries = {name: self._entries[name] for name in dict.fromkeys((*first, *self._entries))}

    def names(self) -> list[str]:
        """Return every registered name."""
        self._load()
        return list(self._entries)

    def usual(self) -> list[str]:
        """Return the names behind "all": every one that is not costly."""
        return [name for name in self.names() if name not in self._costly]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._entries:
            raise UserError(
                f"There is no {self.kind} called {name!r}.", f"There are: {', '.join(self._entries)}.", "Choose one of these."
            )
        return self._entries[name]
