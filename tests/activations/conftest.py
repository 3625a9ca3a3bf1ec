"""What tests of reading share."""

from __future__ import annotations

from collections import Counter

import pytest


@pytest.fixture
def calls():
    """Count calls: ``calls(vlm)`` returns a Counter of layers from 1, "norm", "lm_head", and ("mlp" or "attention", layer)."""
    handles = []

    def watch(vlm):
        from sn_viz.models.blocks import attention_of, mlp_of

        counter = Counter()
        parts = {"norm": vlm.norm, "lm_head": vlm.lm_head}
        for layer, block in enumerate(vlm.blocks, start=1):
            parts |= {layer: block, ("mlp", layer): mlp_of(block), ("attention", layer): attention_of(block)}
        for name, part in parts.items():
            handles.append(part.register_forward_pre_hook(lambda *_, name=name: counter.update([name])))
        return counter

    yield watch
    for handle in handles:
        handle.remove()
