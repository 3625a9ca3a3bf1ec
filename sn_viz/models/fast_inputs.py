"""The processor's own inputs with less work: a question is tokenised once, a plain square resize skips the processor's layers.

Takes pictures and questions; returns what the processor would return, bit for bit. It knows nothing about what a model computes.
Both short cuts are measured against the processor when a model is first used, so no processor is known by name:

- What a prompt's tokens are depends on the question and, for some models, on the picture's size; they are kept by both.
- Where every picture is resized to one size and then each channel's 256 values are mapped one by one (scaled, normalised), that map
  is read off the processor itself, with a picture of all values, and looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache
from PIL import Image

from sn_viz.types import Picture

Inputs = dict[str, Any]
Key = tuple[str, tuple[int, ...]]
KEPT = 4096
"""Prompts remembered at most; the one used longest ago goes first."""
PROBES = ((48, 48), (201, 90), (48, 48), (64, 64))
"""Widths and heights of the noise pictures that the short cuts are tried on."""
PROBE_QUESTIONS = ("?", "What is it, and what else?", "What is it?", "?")


class FastInputs:
    """Short cuts of one processor.

    Parameters
    ----------
    processor : object
        The model's transformers processor.
    slowly : callable
        ``slowly(pictures, questions)``: the processor's own inputs, tensors on the CPU, shorter prompts padded on the left.
    padding_id : int
        The token that fills shorter prompts.
    size_matters : bool
        Whether a picture's size changes the prompt.
    """

    def __init__(
        self,
        processor: Any,
        slowly: Callable[[Sequence[Picture], Sequence[str]], Inputs],
        padding_id: int,
        size_matters: bool,
    ) -> None:
        self.processor, self.slowly, self.padding_id, self.size_matters = processor, slowly, padding_id, size_matters
        self.prompts: LRUCache[Key, Inputs] = LRUCache(KEPT)
        self.squares = Squares.of(getattr(processor, "image_processor", None))
        self.works = self._equals_the_processor()
        self.prompts.clear()

    def knows(self, picture: Picture, question: str) -> bool:
        """Return whether this prompt was tokenised before."""
        return self._key(picture, question) in self.prompts

    def __call__(self, pictures: Sequence[Picture], questions: Sequence[str]) -> Inputs:
        """Return the model's inputs, tensors on the CPU; what the processor itself returns wherever a short cut would differ."""
        keys = [self._key(picture, question) for picture, question in zip(pictures, questions, strict=True)]
        if not self.works or (self.size_matters and len({size for _, size in keys}) > 1):
            return self.slowly(pictures, questions)
        if any(key not in self.prompts for key in keys):
            whole = self.slowly(pictures, questions)
            self._remember(keys, whole)
            return whole
        return {**self._text([self.prompts[key] for key in keys]), **self._pixels(pictures)}

    def _key(self, picture: Picture, question: str) -> Key:
        return question, picture.shape[:2] if self.size_matters else ()

    def _remember(self, keys: Sequence[Key], whole: Inputs) -> None:
        starts = (whole["attention_mask"] == 0).sum(dim=1).tolist()
        text = {name: value for name, value in whole.items() if _is_text(value, whole)}
        for row, (key, start) in enumerate(zip(keys, starts, strict=True)):
            self.prompts[key] = {name: value[row, start:].clone() for name, value in text.items()}

    def _text(self, rows: list[Inputs]) -> Inputs:
        length = max(len(row["input_ids"]) for row in rows)
        return {name: torch.stack([self._padded(name, row[name], length) for row in rows]) for name in rows[0]}

    def _padded(self, name: str, row: torch.Tensor, length: int) -> torch.Tensor:
        fill = self.padding_id if name == "input_ids" else 0
        return row if len(row) == length else torch.nn.functional.pad(row, (length - len(row), 0), value=fill)

    def _pixels(self, pictures: Sequence[Picture]) -> Inputs:
        if self.squares is not None:
            return {"pixel_values": self.squares([picture.pixels for picture in pictures])}
        images = [[Image.fromarray(picture.pixels)] for picture in pictures]
        return dict(self.processor.image_processor(images=images, return_tensors="pt"))

    def _equals_the_processor(self) -> bool:
        """Try everything on pictures of noise of several sizes, one by one and together."""
        rng = np.random.default_rng(0)
        pictures = [Picture(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in PROBES]
        self.works = True
        try:
            for group in ([0], [1], [3], [0, 2], [0, 1, 2, 3]):
                some, asked = [pictures[i] for i in group], [PROBE_QUESTIONS[i] for i in group]
                expected = self.slowly(some, asked)
                if "attention_mask" not in expected or "input_ids" not in expected:
                    return False
                self._remember([self._key(*pair) for pair in zip(some, asked, strict=True)], expected)
                if not _same(self(some, asked), expected):
                    return False
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, IndexError):  # a processor of another make
            return False
        return True


class Squares:
    """Resizes to one size, then maps the values of each channel one by one.

    Parameters
    ----------
    size : tuple of int
        Width and height.
    resample : int
        PIL's filter.
    table : np.ndarray
        float32 (channel, 256): what each value becomes.
    """

    def __init__(self, size: tuple[int, int], resample: int, table: np.ndarray) -> None:
        self.size, self.resample = size, resample
        self.table = np.ascontiguousarray(table.T)
        """float32 (256, channel)."""
        self.alike = bool((table == table[0]).all())

    @classmethod
    def of(cls, images: Any) -> Squares | None:
        """Return the short cut of an image processor that resizes by PIL to a fixed size, or None."""
        size: Any = getattr(images, "size", None)
        resample: Any = getattr(images, "resample", None)
        height, width = getattr(size, "height", None), getattr(size, "width", None)
        plain = getattr(images, "do_resize", False) and not getattr(images, "do_center_crop", False)
        if resample is None or not (plain and height and width and type(images).__name__.endswith("Pil")):
            return None
        every = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (1, 1, 3))
        try:
            mapped = images(images=[Image.fromarray(every)], do_resize=False, return_tensors="np")["pixel_values"]
        except (ValueError, TypeError, KeyError):  # a processor of another make
            return None
        table = np.asarray(mapped)
        return cls((width, height), int(resample), table[0, :, 0]) if table.shape == (1, 3, 1, 256) else None

    def __call__(self, images: Sequence[np.ndarray]) -> torch.Tensor:
        """Return float32 (image, channel, row, column) of uint8 (row, column, channel) images."""
        resized = np.stack([np.asarray(Image.fromarray(image).resize(self.size, resample=self.resample)) for image in images])
        channels_first = np.ascontiguousarray(resized.transpose(0, 3, 1, 2))
        if self.alike:
            return torch.from_numpy(self.table[:, 0][channels_first])
        return torch.from_numpy(np.stack([self.table[:, c][channels_first[:, c]] for c in range(channels_first.shape[1])], axis=1))


def _is_text(value: Any, inputs: Inputs) -> bool:
    return torch.is_tensor(value) and value.shape == inputs["input_ids"].shape


def _same(one: Inputs, other: Inputs) -> bool:
    def equal(a: Any, b: Any) -> bool:
        return torch.is_tensor(a) and torch.is_tensor(b) and a.dtype == b.dtype and torch.equal(a, b)

    return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in other)
