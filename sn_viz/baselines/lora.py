"""LoRA: low-rank adapters on the decoder's linear layers, trained with peft on the probing images.

The adapters sit on a copy that shares the frozen weights (see ``training``), so memory grows by the adapters, their optimiser and
one batch; the model itself is never altered. Found without a table of families: every ``nn.Linear`` inside the decoder blocks.

Rank 8, and a learning rate that falls with the model's width: 0.003 for a width of 192, 0.0002 for one of 4096, as is usual at
seven billion weights. There one example is held in memory at a time, 8 to a step, which needs no gradient checkpointing: a prompt
of 600 positions keeps a few gigabytes. With 5 to 500 images training takes 80 to 300 steps, fewer when it stops early.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from sn_viz.baselines import BASELINES, Context
from sn_viz.baselines.training import Recipe, Taught, copy_of, teach
from sn_viz.errors import UserError
from sn_viz.models import Vlm
from sn_viz.models.blocks import decoder_blocks
from sn_viz.types import Baseline

RANK = 8
BATCH = 16
WIDTH_TIMES_RATE = 0.8
"""Learning rate times the width of the residual stream, so that a step changes the activations alike in small and large models."""
LARGEST_RATE = 3e-3


@BASELINES.register("lora", costly=True)
def run(context: Context) -> Baseline:
    """Train low-rank adapters (LoRA, with peft) on the probing images until a fifth of them, held back, say stop. It takes long, so
    it runs only when it is asked for by name."""
    return judged(context, train_lora(context), "lora")


def train_lora(context: Context) -> Taught:
    """Return a copy of the model with trained adapters; the adapters are not merged."""
    width = context.vlm.module.config.get_text_config().hidden_size
    module = adapted(context.vlm, context.seed)
    return teach(context, module, Recipe(min(WIDTH_TIMES_RATE / width, LARGEST_RATE)), "LoRA")


def judged(context: Context, taught: Taught, name: str) -> Baseline:
    """Return what a taught copy says about the test images, as a baseline called ``name``."""
    test, says = context.test, []
    for start in range(0, len(test), BATCH):
        context.progress(1.0, f"{name}: answering {start} of {len(test)} images")
        rows = slice(start, start + BATCH)
        says.append(taught.predict(test.pictures[rows], test.questions[rows]))
    predicted = np.concatenate(says).astype(np.int64)
    return Baseline(
        name=name,
        predicted=predicted,
        accuracy=context.accuracy(predicted),
        latency_ms=context.latency_ms(lambda asked: taught.predict([asked[0]], [asked[1]])),
        note=f"Answers {' / '.join(taught.words)}. {taught.note}",
    )


def adapted(vlm: Vlm, seed: int = 0) -> Any:
    """Return a copy of the model with fresh adapters on every linear layer of its decoder: it still says the same.

    Parameters
    ----------
    vlm : Vlm
        Stays as it is, and its weights too.
    seed : int
        Of the adapters' first values.

    Returns
    -------
    PreTrainedModel
        Whose only trainable weights are the adapters', in float32.

    Raises
    ------
    UserError
        When there is no linear layer to adapt.
    """
    module = copy_of(vlm)
    targets = linear_layers(module)
    if not targets:
        raise UserError(
            "LoRA cannot adapt this model.",
            "No linear layer was found in its decoder blocks.",
            "Leave 'lora' out of the comparison.",
        )
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        from peft import LoraConfig, inject_adapter_in_model  # takes seconds to load, and only this needs it

        inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=targets), module)
    generator = torch.Generator().manual_seed(seed)
    for path, weight in module.named_parameters():
        weight.requires_grad_(".lora_" in path)
        if ".lora_A." in path:
            fresh = nn.init.kaiming_uniform_(torch.empty(weight.shape), a=math.sqrt(5), generator=generator)
            weight.data.copy_(fresh)
    return module.eval()


def linear_layers(module: Any) -> list[str]:
    """Return the path of every linear layer inside the decoder blocks, in order."""
    blocks = decoder_blocks(module)
    root = next(path for path, part in module.named_modules() if part is blocks)
    return [f"{root}.{path}" for path, part in blocks.named_modules() if isinstance(part, nn.Linear)]
