"""Model families whose prompt differs: one file each, registered under transformers' ``model_type``.

An entry takes a processor and questions and returns the prompt texts. Families that have a chat template need no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sn_viz.registry import Registry

Prompt = Callable[[object, Sequence[str]], list[str]]

FAMILIES: Registry[Prompt] = Registry("model family", "sn_viz.models.families")
