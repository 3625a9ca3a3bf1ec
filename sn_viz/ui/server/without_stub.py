"""How a component class of ours is made: without the stub file that Gradio writes beside a component's source."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from gradio.component_meta import ComponentMeta


class WithoutStub(ComponentMeta):
    """The metaclass of our components."""

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> Any:
        """Make the class as any other."""
        return ABCMeta.__new__(cls, name, bases, attrs)
