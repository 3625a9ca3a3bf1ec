"""A supervised fine-tune of the last decoder block, all of its weights, on the probing images.

Trained like LoRA (see ``training``), on a copy whose last block has weights of its own. These keep the model's number format; in
bfloat16 small steps are lost to rounding, which the peak rate allows for.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from sn_viz.baselines import BASELINES, Context
from sn_viz.baselines.lora import judged
from sn_viz.baselines.training import Recipe, copy_of, teach
from sn_viz.models import Vlm
from sn_viz.models.blocks import decoder_blocks
from sn_viz.types import Baseline

WIDTH_TIMES_RATE = 0.2
LARGEST_RATE = 1e-3


@BASELINES.register("fine-tune-last-block", costly=True)
def run(context: Context) -> Baseline:
    """Fine-tune every weight of the last decoder block on the probing images until a fifth of them, held back, say stop. It takes
    long, so it runs only when it is asked for by name."""
    width = context.vlm.module.config.get_text_config().hidden_size
    recipe = Recipe(min(WIDTH_TIMES_RATE / width, LARGEST_RATE))
    return judged(context, teach(context, with_own_last_block(context.vlm), recipe, "Last block"), "fine-tune-last-block")


def with_own_last_block(vlm: Vlm) -> Any:
    """Return a copy of the model whose only trainable weights are those of its last block, tensors of their own."""
    module = copy_of(vlm)
    for part in decoder_blocks(module)[-1].modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(weight.detach().clone()))
    return module
