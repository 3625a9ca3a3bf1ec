"""One loaded vision-language model: prompt it, generate with it, reach its decoder blocks.

Takes pictures and questions; returns tensors, texts or logits. It knows nothing about neurons, labels or thresholds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from copy import copy, deepcopy
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from sn_viz.errors import UserError
from sn_viz.models.blocks import decoder_blocks, final_norm, has_class_token, is_convolutional, tower_blocks
from sn_viz.models.detail import Look
from sn_viz.models.families import FAMILIES
from sn_viz.models.fast_inputs import FastInputs
from sn_viz.models.options import DEFAULT, LoadOptions
from sn_viz.models.placement import count_weights, input_device, is_quantised, is_shared_out
from sn_viz.models.threads import threads_for
from sn_viz.models.until import Until, stopped_by
from sn_viz.types import Picture

Inputs = dict[str, Any]
"""What a model's forward takes: tensors by argument name, the prompt's last token in the last column of ``input_ids``."""

PROBE_SIZES = ((48, 48), (200, 90), (640, 480))
"""Widths and heights of the blank pictures that show whether a picture's size changes the length of the prompt."""


LONGEST_ANSWER = 64
"""Tokens after which an answer that names nothing is cut."""


class Vlm:
    """A frozen vision-language model.

    Parameters
    ----------
    name : str
        What people call it.
    module : PreTrainedModel
        A transformers image-text-to-text model in evaluation mode.
    processor : object
        Its transformers processor; its tokenizer is set to pad on the left.
    key : str
        Names model, weights, number format and preprocessing: equal keys mean equal activations.

    Notes
    -----
    Hooks sit on shared modules, so every forward pass of this class and of `sn_viz.activations` holds ``lock``: several
    threads may share one model and take turns.
    """

    def __init__(self, name: str, module: Any, processor: Any, key: str) -> None:
        self.name, self.module, self.processor, self.key = name, module, processor, key
        self.blocks: nn.ModuleList = decoder_blocks(module)
        self.tower_blocks: list[nn.Module] = tower_blocks(module)
        """Blocks of the vision tower, in order; empty when it is no plain stack of blocks."""
        self.channels_first: bool = is_convolutional(self.tower_blocks)
        """Whether the tower's blocks hand on maps with their units before rows and columns."""
        self.class_token: bool = has_class_token(module)
        """Whether the tower puts a token of its own before the patches."""
        self.image_token: int | None = getattr(module.config, "image_token_id", None)
        """The token that stands for a part of a picture in a prompt; None where a family has none."""
        self.norm: nn.Module | None = final_norm(module, self.blocks)
        self.lm_head: nn.Module = _lm_head(module)
        self.tokenizer: Any = getattr(processor, "tokenizer", processor)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        weights = list(module.parameters())
        self.n_weights = count_weights(module)
        self.options: LoadOptions = DEFAULT
        """How it was loaded."""
        self.look = Look()
        """How closely it looks at pictures."""
        self.offloaded: Any = None
        """The folder of weights that stay on disk, which goes with the model."""
        self.shared_out = is_shared_out(module)
        """Whether its modules lie on several devices, or on disk."""
        self.quantised = is_quantised(module)
        """Whether its weights are quantised."""
        self._first, self._number = weights[0], next((w for w in weights if w.is_floating_point()), weights[0])
        self._placed = input_device(module) if self.shared_out else None
        self.template: Callable[[Sequence[Any]], list[str]] | None = None
        """Renders the chat template of a model from outside, in a process of its own; None where transformers renders it here."""
        self.from_outside = False
        """Whether it is none of the embedded models."""
        self.source = ""
        """What loads the same weights again: a name or folder; "" for a model that was made in memory."""
        self.padding_is_neutral = True
        """Whether a prompt's answer is the same beside a longer one; where it is not, only prompts of one length run together."""
        self.lock = threading.RLock()
        self._text_lock = threading.RLock()
        self._size_matters: bool | None = None
        self._nested = True
        """Whether the processor takes a list of pictures for each prompt."""

    def __repr__(self) -> str:
        return f"Vlm({self.key!r}, {type(self.module).__name__}, {self.n_layers} layers, {self.dtype} on {self.device})"

    @property
    def n_layers(self) -> int:
        """How many decoder blocks there are."""
        return len(self.blocks)

    @property
    def device(self) -> torch.device:
        """Where the model's inputs go: to its first module, wherever the others are."""
        return self._first.device if self._placed is None else self._placed

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return self._number.dtype

    def prepare(self, pictures: Sequence[Picture], questions: Sequence[str]) -> Inputs:
        """Turn pictures and questions into one batch of model inputs.

        Parameters
        ----------
        pictures : sequence of Picture
            One per example.
        questions : sequence of str
            One per example; the chat template of the model is put around each.

        Returns
        -------
        dict
            Tensors on the model's device. Shorter prompts are padded on the left, so index -1 is the last prompt position in every
            row: the position that produces the first generated token.

        Raises
        ------
        UserError
            When there are no pictures, when counts differ, or when a question holds one of the model's control tokens.
        """
        if len(pictures) != len(questions) or not pictures:
            raise UserError(
                "Nothing to ask.", f"{len(pictures)} images and {len(questions)} questions arrived.", "Give one question an image."
            )
        for question in dict.fromkeys(questions):
            self._refuse_control_tokens(question)
        with self._text_lock:
            batch = self._fast_inputs(pictures, questions)
        return self._on_device(batch)

    def prepare_anew(self, pictures: Sequence[Picture], questions: Sequence[str]) -> Inputs:
        """Return what `prepare` would, made by the processor as it is set now, with nothing that is remembered of prompts."""
        return self._on_device(self._processed(pictures, questions))

    def _on_device(self, batch: Inputs) -> Inputs:
        device, dtype = self.device, self.dtype
        return {
            name: value.to(device, dtype if value.is_floating_point() else None) if torch.is_tensor(value) else value
            for name, value in batch.items()
        }

    @property
    def nested(self) -> bool:
        """Whether the processor takes a list of pictures for each prompt; settled when pictures are first prepared."""
        return self._nested

    @cached_property
    def _fast_inputs(self) -> FastInputs:
        return FastInputs(self.processor, self._processed, self.tokenizer.pad_token_id, self.size_matters)

    def _processed(self, pictures: Sequence[Picture], questions: Sequence[str]) -> Inputs:
        """Return what the processor makes of pictures and questions, tensors on the CPU."""
        images = [Image.fromarray(np.ascontiguousarray(picture.pixels)) for picture in pictures]
        with self._text_lock:
            prompts = self.prompts(questions)
            options = self.text_options(prompts[0])
            try:
                batch = self._processor_call([[image] for image in images] if self._nested else images, prompts, options)
            except (ValueError, TypeError, AttributeError):
                if not self._nested:
                    raise
                batch = self._processor_call(images, prompts, options)  # some take one flat list; those that take both are alike
                self._nested = False
        batch.pop("labels", None)  # for training; with them a forward pass wants logits at every position
        return batch

    def _processor_call(self, images: Any, prompts: list[str], options: dict[str, Any]) -> Inputs:
        return dict(self.processor(images=images, text=prompts, **options))

    def prompts(self, questions: Sequence[str]) -> list[str]:
        """Return the text put before the model for each question, with one placeholder for the picture."""
        model_type = self.module.config.model_type
        if model_type in FAMILIES:
            return FAMILIES[model_type](self.processor, questions)
        if not getattr(self.processor, "chat_template", None):
            return [f"{getattr(self.processor, 'image_token', '')}{question}" for question in questions]
        turns = [[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}] for question in questions]
        if self.template is not None:
            return self.template(turns)
        return self.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)

    def text_options(self, prompt: str) -> dict[str, Any]:
        """Return what the processor is told besides pictures and prompts such as ``prompt``."""
        options: dict[str, Any] = {"padding": True, "return_tensors": "pt"}
        bos = self.tokenizer.bos_token
        written = bos is not None and prompt.startswith(bos)  # the template wrote it; a second one would change every activation
        return options | {"add_special_tokens": False} if written else options

    def _refuse_control_tokens(self, question: str) -> None:
        clash = next((token for token in self.control_tokens if token in question), None)
        if clash is not None:
            raise UserError(
                "This question cannot be asked.",
                f"It contains {clash!r}, which steers the model.",
                "Leave that out of the question.",
            )

    @cached_property
    def control_tokens(self) -> tuple[str, ...]:
        """What a question must not contain: the tokenizer's special tokens and the picture's placeholder."""
        special = {str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        placeholder = getattr(self.processor, "image_token", None)
        return tuple(
            sorted(filter(None, {str(token) for token in (*special, *self.tokenizer.all_special_tokens, placeholder or "")}))
        )

    def prompt_groups(self, pictures: Sequence[Picture], questions: Sequence[str]) -> list[tuple[int, ...]]:
        """Return a key per example; examples with equal keys have prompts of equal length.

        Parameters
        ----------
        pictures : sequence of Picture
        questions : sequence of str

        Returns
        -------
        list of tuple of int
            Sortable: tokens of the question, then height and width of the picture where those change how many tokens it takes.
        """
        with self._text_lock:
            lengths = {
                question: len(self.tokenizer(question, add_special_tokens=False)["input_ids"]) for question in set(questions)
            }
        sizes = [picture.shape[:2] if self.size_matters else () for picture in pictures]
        return [(lengths[question], *size) for question, size in zip(questions, sizes, strict=True)]

    @property
    def size_matters(self) -> bool:
        """Whether a picture's size changes how many prompt tokens it takes; tried out once with blank pictures."""
        if self._size_matters is None:
            blank = [Picture(np.full((height, width, 3), 127, np.uint8)) for width, height in PROBE_SIZES]
            shapes = [{k: v.shape for k, v in self._processed([picture], ["?"]).items() if torch.is_tensor(v)} for picture in blank]
            self._size_matters = any(shape != shapes[0] for shape in shapes)
        return self._size_matters

    @cached_property
    def sizes_mix(self) -> bool:
        """Whether pictures of different sizes fit into one batch; some processors cannot stack what they cut of them."""
        blank = [Picture(np.full((height, width, 3), 127, np.uint8)) for width, height in PROBE_SIZES]
        try:
            self._processed(blank, ["?"] * len(blank))
        except (ValueError, TypeError, RuntimeError):
            return False
        return True

    def threads(self, batch: int) -> AbstractContextManager[None]:
        """Return the context for a pass of ``batch`` examples, which gives it as many threads as it can use."""
        return threads_for(self.n_weights, batch, self.device)

    def warm_up(self) -> None:
        """Answer once about a blank picture, so that the first real one does not pay for the first pass of a process."""
        self.generate([Picture(np.full((64, 64, 3), 127, np.uint8))], ["?"], max_new_tokens=1)

    def forward_options(self) -> dict[str, Any]:
        """Return the options of a forward pass that keeps no cache and computes logits at the last position only."""
        return {"use_cache": False, "logits_to_keep": 1, "return_dict": True}

    @torch.inference_mode()
    def generate(
        self,
        pictures: Sequence[Picture],
        questions: Sequence[str],
        max_new_tokens: int = 8,
        batch_size: int = 8,
        reading: Callable[[int, str], int] | None = None,
        longest: int = LONGEST_ANSWER,
    ) -> list[str]:
        """Answer each question about its picture, greedily.

        Parameters
        ----------
        pictures : sequence of Picture
        questions : sequence of str
        max_new_tokens : int
            The longest answer, in tokens.
        batch_size : int
            Examples generated together.
        reading : callable, optional
            Takes the number of the example and its answer so far; returns what that names, or -1. While it is -1 the answer goes on
            beyond ``max_new_tokens``.
        longest : int
            With ``reading``, the longest answer, in tokens.

        Returns
        -------
        list of str
            The answers, without the prompt, control tokens and surrounding space.
        """
        answers = [""] * len(pictures)
        for rows in self._turns(pictures, questions, batch_size):
            inputs = self.prepare([pictures[row] for row in rows], [questions[row] for row in rows])
            options: dict[str, Any] = {
                "do_sample": False,
                "pad_token_id": self.tokenizer.pad_token_id,
                "max_new_tokens": max_new_tokens,
            }
            if reading is not None:
                length = inputs["input_ids"].shape[1]
                until = Until(self._texts, length, max_new_tokens, lambda row, text, rows=rows: reading(rows[row], text))
                options |= {"max_new_tokens": max(longest, max_new_tokens), "stopping_criteria": stopped_by(until)}
            with self.lock, self.threads(len(inputs["input_ids"])):
                tokens = self.module.generate(**inputs, **options)
            said = self._texts(tokens[:, inputs["input_ids"].shape[1] :])
            for row, text in zip(rows, said, strict=True):
                answers[row] = text.strip()
        return answers

    def twin(self) -> Vlm:
        """Return a model that shares this one's weights, processor and prompts, with modules, hooks and a lock of its own."""
        prompts = self._fast_inputs  # made before it is copied, so that it is one
        weights = {id(each): each for each in chain(self.module.parameters(), self.module.buffers())}
        twin = copy(self)
        with self.lock:
            twin.module = deepcopy(self.module, weights)
        twin.lock, twin._fast_inputs = threading.RLock(), prompts
        twin.blocks, twin.tower_blocks = decoder_blocks(twin.module), tower_blocks(twin.module)
        twin.norm, twin.lm_head = final_norm(twin.module, twin.blocks), _lm_head(twin.module)
        return twin

    def _texts(self, tokens: Any) -> list[str]:
        with self._text_lock:
            return self.tokenizer.batch_decode(tokens, skip_special_tokens=True)

    def _turns(self, pictures: Sequence[Picture], questions: Sequence[str], batch_size: int) -> Iterator[list[int]]:
        """Yield the rows of each batch: in order, or by length where padding is not neutral or sizes do not mix."""
        groups = [list(range(len(pictures)))]
        shapes = {picture.shape for picture in pictures}
        if not self.padding_is_neutral or (len(shapes) > 1 and not self.sizes_mix):
            by_length: dict[tuple[int, ...], list[int]] = {}
            for row, key in enumerate(self.prompt_groups(pictures, questions)):
                by_length.setdefault(key, []).append(row)
            groups = list(by_length.values())
        for group in groups:
            yield from (group[start : start + batch_size] for start in range(0, len(group), batch_size))

    @torch.inference_mode()
    def first_token_logits(self, pictures: Sequence[Picture], questions: Sequence[str], batch_size: int = 8) -> np.ndarray:
        """Return the logits of the first generated token.

        Parameters
        ----------
        pictures : sequence of Picture
        questions : sequence of str
        batch_size : int
            Examples computed together.

        Returns
        -------
        np.ndarray
            float32 (example, vocabulary).
        """
        order: list[int] = []
        found = []
        for rows in self._turns(pictures, questions, batch_size):
            inputs = self.prepare([pictures[row] for row in rows], [questions[row] for row in rows])
            found.append(self.logits_of(inputs))
            order += rows
        return np.concatenate(found)[np.argsort(order)]

    @torch.inference_mode()
    def logits_of(self, inputs: Inputs) -> np.ndarray:
        """Return the logits of the first generated token, float32 (example, vocabulary), from one pass over prepared inputs."""
        with self.lock, self.threads(len(inputs["input_ids"])):
            return self.module(**inputs, **self.forward_options()).logits[:, -1].float().cpu().numpy()

    @torch.inference_mode()
    def unembed(self, hidden: torch.Tensor) -> torch.Tensor:
        """Read residual vectors as if the model ended there: final norm, LM head, and the scaling this family gives its logits.

        Parameters
        ----------
        hidden : torch.Tensor
            (n, width): residual stream after any block.

        Returns
        -------
        torch.Tensor
            float32 (n, vocabulary); for the last block these are the first token's own logits.

        Raises
        ------
        UserError
            When the family does more than that between its last block and its logits.
        """
        if self.from_outside and not self.speaks_from_residual:
            raise UserError(
                f"The residual stream of {self.name!r} cannot be read as words.",
                f"Its family, {self.module.config.model_type!r}, does more than a norm between its last block and its head.",
                "Leave out the logit lens.",
            )
        return self._unembedded(hidden)

    @cached_property
    @torch.inference_mode()
    def speaks_from_residual(self) -> bool:
        """Whether the last block's residual stream, unembedded, gives the model's own logits; tried out once."""
        heard: list[torch.Tensor] = []
        with self.lock:
            hook = self.blocks[-1].register_forward_hook(lambda _block, _given, said: heard.append(_tensor(said)))
            try:
                real = torch.from_numpy(self.first_token_logits([Picture(np.full((48, 64, 3), 127, np.uint8))], ["?"]))
            finally:
                hook.remove()
        last = heard[-1][0] if heard[-1].dim() == 4 else heard[-1]  # the first of several streams
        ours, may = self._unembedded(last.reshape(-1, last.shape[-1])[-1:]).cpu(), real > torch.finfo(self.dtype).min / 2
        ours, real = ours[may], real[may]  # what a model never says, as tokens of pictures, it may set to the smallest number
        slack = 1e-3 if self.dtype == torch.float32 else 0.1
        return float((ours - real).abs().max()) <= slack * max(float(real.abs().max()), 1e-6)

    def _unembedded(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = hidden.to(self.device, self.dtype)
        return self._scaled(self.lm_head(hidden if self.norm is None else self.norm(hidden)).float(), *self._scaling)

    def _scaled(self, logits: torch.Tensor, scale: float, cap: float | None) -> torch.Tensor:
        logits = logits if scale == 1.0 else logits * scale
        return logits if cap is None else torch.tanh(logits / cap) * cap

    @cached_property
    @torch.inference_mode()
    def _scaling(self) -> tuple[float, float | None]:
        """What the family does to what its head says: a factor and a soft cap, settled once against the model's own logits.

        A configuration names them, but not every model that is made of a language model applies what that one's names.
        """
        text = self.module.config.get_text_config()
        scale, divisor = (float(getattr(text, name, None) or 1.0) for name in ("logit_scale", "logits_scaling"))
        cap = getattr(text, "final_logit_softcapping", None)
        choices = list(dict.fromkeys((s, c) for s in (scale / divisor, 1.0, scale, 1 / divisor) for c in (cap, None)))
        if len(choices) == 1:
            return choices[0]
        blank = [Picture(np.full((48, 64, 3), 127, np.uint8))]
        heard: list[torch.Tensor] = []
        with self.lock:
            hook = self.lm_head.register_forward_hook(lambda _head, _given, said: heard.append(said[:, -1].float()))
            try:
                real = torch.from_numpy(self.first_token_logits(blank, ["?"])).to(heard[-1].device)
            finally:
                hook.remove()
        off = [float((self._scaled(heard[-1], *choice) - real).abs().max()) for choice in choices]
        return choices[int(np.argmin(off))]

    def answer_token_ids(self, text: str) -> list[int]:
        """Return the ids of the tokens an answer may start with.

        Parameters
        ----------
        text : str
            An answer such as "yes".

        Returns
        -------
        list of int
            First tokens of the text as given, in lower case and capitalised, with and without a leading space; each once, and none
            that is only space or unknown.
        """
        spellings = dict.fromkeys((text, text.lower(), text.capitalize()))
        found: dict[int, None] = {}
        with self._text_lock:
            for spelling in [lead + word for word in spellings for lead in ("", " ")]:
                tokens = self.tokenizer(spelling, add_special_tokens=False)["input_ids"]
                first = next((token for token in tokens if self.tokenizer.decode([token]).strip()), None)
                if first is not None and first != self.tokenizer.unk_token_id:
                    found[first] = None
        return list(found)


def _tensor(said: Any) -> torch.Tensor:
    return said if torch.is_tensor(said) else said[0]


def _lm_head(module: Any) -> nn.Module:
    head = module.get_output_embeddings()
    if head is None:
        head = next((part for path, part in module.named_modules() if path.endswith("lm_head")), None)
    if head is None:
        raise UserError(
            f"{type(module).__name__} cannot be used.", "It has no language-model head.", "Choose a model that answers in text."
        )
    return head
