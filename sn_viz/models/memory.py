"""What a GPU can hold, by arithmetic: weights, the activations and logits of a batch, and the row of the store.

Takes sizes of a model and of a batch; returns bytes. It loads nothing and knows nothing about torch. ``docs/models.md`` shows the
table that it makes (`python -m sn_viz.models.memory`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GB = 10**9
BITS = {"float32": 32.0, "bfloat16": 16.0, "8 bit": 8.0, "4 bit": 4.5}
"""Of one weight in a linear layer; 4 bit keep a scale of 32 bits for 64 weights."""
OF_NUMBERS = {"float32": 4, "bfloat16": 2, "8 bit": 2, "4 bit": 2}
"""Bytes of everything else: embeddings, head, activations."""
LIVE = 6
"""Vectors as wide as the residual stream, and as wide as the MLP's neurons, that live at once in a block, for each position."""
OVERHEAD = 1.0 * GB
"""Of CUDA itself, its kernels and what its allocator cannot use."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a vision-language model."""

    name: str
    weights: float
    """All of them."""
    width: int
    """Of the residual stream."""
    neurons: int
    """Of an MLP."""
    layers: int
    vocabulary: int
    tied: bool = False
    """Whether embeddings and head are one."""

    @property
    def kept(self) -> float:
        """Weights that are never quantised: embeddings and head."""
        return self.vocabulary * self.width * (1 if self.tied else 2)


SIZES = (
    Sizes("SmolVLM-256M", 0.256e9, 576, 1536, 30, 49_280),
    Sizes("Qwen3-VL-2B", 2.13e9, 2048, 6144, 28, 151_936, tied=True),
    Sizes("Gemma-3-4B", 4.30e9, 2560, 10_240, 34, 262_208, tied=True),
    Sizes("LLaVA-1.5-7B", 7.06e9, 4096, 11_008, 32, 32_064),
    Sizes("Idefics3-8B", 8.46e9, 4096, 14_336, 32, 128_259),
    Sizes("LLaVA-1.5-13B", 13.35e9, 5120, 13_824, 40, 32_064),
    Sizes("Gemma-3-27B", 27.4e9, 5376, 21_504, 62, 262_208, tied=True),
    Sizes("Qwen3-VL-32B", 33.4e9, 5120, 25_600, 64, 151_936),
    Sizes("LLaVA-OneVision-72B", 73.2e9, 8192, 29_568, 80, 152_064),
)
"""Published sizes; weights are those of the checkpoints' files."""
CARDS = (8, 16, 24, 80)
"""Gigabytes (2**30 bytes) of a GPU."""


def weight_bytes(sizes: Sizes, numbers: str) -> float:
    """Return the bytes of a model's weights.

    Parameters
    ----------
    sizes : Sizes
    numbers : str
        A key of ``BITS``. Quantised models keep embeddings and head in 16 bit.
    """
    kept = min(sizes.kept, sizes.weights) if numbers in ("8 bit", "4 bit") else 0.0
    return kept * OF_NUMBERS[numbers] + (sizes.weights - kept) * BITS[numbers] / 8


def pass_bytes(sizes: Sizes, batch: int, positions: int, numbers: str = "bfloat16", generates: bool = True) -> float:
    """Return the bytes that a pass needs beside the weights.

    Parameters
    ----------
    sizes : Sizes
    batch : int
        Pictures together.
    positions : int
        Of a prompt.
    numbers : str
        A key of ``OF_NUMBERS``.
    generates : bool
        Whether the model also answers, and keeps keys and values of every position in every block, each as wide as the residual
        stream: the most that a family keeps.
    """
    each = OF_NUMBERS[numbers]
    block = batch * positions * LIVE * (sizes.width + sizes.neurons) * each
    cache = 2 * sizes.layers * batch * positions * sizes.width * each if generates else 0
    logits = batch * sizes.vocabulary * (4 + each)  # of the last position alone, and once more in float32
    return block + cache + logits + batch * row_neurons(sizes) * 4


def row_neurons(sizes: Sizes) -> int:
    """Return how many numbers are read of a picture at the usual sites: the residual, what attention and MLP add, the neurons."""
    return sizes.layers * (3 * sizes.width + sizes.neurons)


def store_bytes(sizes: Sizes) -> int:
    """Return the bytes of a picture's row in the store, float16."""
    return 2 * row_neurons(sizes)


def fits(sizes: Sizes, gigabytes: float, numbers: str, batch: int = 8, positions: int = 1000) -> bool:
    """Return whether a model with a batch fits a GPU of so many gigabytes (2**30 bytes)."""
    return weight_bytes(sizes, numbers) + pass_bytes(sizes, batch, positions, numbers) + OVERHEAD <= gigabytes * 2**30


def largest_batch(sizes: Sizes, gigabytes: float, numbers: str, positions: int = 1000) -> int:
    """Return how many pictures a pass may hold, up to 32; 0 where not even one fits."""
    return next((batch for batch in (32, 16, 8, 4, 2, 1) if fits(sizes, gigabytes, numbers, batch, positions)), 0)


def table(models: Sequence[Sizes] = SIZES, cards: Sequence[int] = CARDS) -> str:
    """Return the table in Markdown: what each card holds of each model, in 16, 8 and 4 bit."""
    kinds = ("bfloat16", "8 bit", "4 bit")
    lines = [
        "| model | weights in "
        + " / ".join(kinds)
        + " | "
        + " | ".join(f"{card} GB" for card in cards)
        + " | a picture in the store |",
        "|---" * (len(cards) + 3) + "|",
    ]
    for sizes in models:
        weights = " / ".join(f"{weight_bytes(sizes, kind) / GB:.3g}" for kind in kinds)
        cells = [" / ".join(str(largest_batch(sizes, card, kind) or "-") for kind in kinds) for card in cards]
        lines.append(f"| {sizes.name} | {weights} GB | {' | '.join(cells)} | {store_bytes(sizes) / 1e6:.2f} MB |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
