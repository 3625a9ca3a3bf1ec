"""Does a model from outside do what is taken for granted of every model? Tried once per checkpoint, and remembered.

Takes a loaded ``Vlm``; returns nothing, or raises one sentence that names the family and what failed. It tries, on pictures of
noise: that prompts are prepared with the last position in the last column, that a forward pass gives finite logits, that what is
read after every block is what the model itself says, that a pass that stops early reads the same, and that generation begins with
the most likely token. Where padding changes answers, prompts of different lengths are kept apart from then on. It knows nothing
about neurons, labels or thresholds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sn_viz.activations.hooks import last_position
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.sites import SITES, TOWER_SITES
from sn_viz.activations.trials import noise_pictures
from sn_viz.errors import UserError
from sn_viz.models.vlm import Vlm
from sn_viz.paths import cache_folder

VERSION = 1
"""Of what is tried; a checkpoint is tried again when it grows."""
SHORT, LONG = "?", "Is there a dog in this picture, and what colour is it?"
TOLERANCE = {torch.float32: 2e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""How far values may be apart, as a share of the largest; others as bfloat16."""


class Failed(Exception):
    """What a step found, as part of a sentence."""


def self_test(vlm: Vlm) -> None:
    """Try a model, unless this checkpoint passed before.

    Parameters
    ----------
    vlm : Vlm
        Embedded models are passed over: their tests are the project's.

    Raises
    ------
    UserError
        Naming the family, the step and the cause.
    """
    if not vlm.from_outside:
        return
    known = _remembered(vlm)
    if known is not None:
        vlm.padding_is_neutral = known
        return
    for name, step in STEPS.items():
        try:
            with vlm.lock, torch.inference_mode():
                step(vlm)
        except UserError as error:
            raise _refused(vlm, name, f"{error.what} {error.cause}") from error
        except Exception as error:  # whatever a family does that was not thought of
            said = next(iter(str(error).strip().splitlines()), "no details")[:200]
            raise _refused(vlm, name, said if isinstance(error, Failed) else f"{type(error).__name__}: {said}") from error
    _remember(vlm)


def unavailable(vlm: Vlm) -> tuple[str, ...]:
    """Return the usual sites that a model does not have, those of its tower included."""
    there = reader_of(vlm).layout
    usual = {*SITES.usual(), *TOWER_SITES.usual()}
    return tuple(sorted(usual - {*there.available("all"), *(there.available("tower") if vlm.tower_blocks else ())}))


def _prepare(vlm: Vlm) -> None:
    inputs = vlm.prepare(noise_pictures(0), [SHORT, LONG])
    mask = inputs.get("attention_mask")
    if mask is not None and not bool(mask[:, -1].all()):
        raise Failed("prompts are not padded on the left, so their last position cannot be found")


def _forward(vlm: Vlm) -> None:
    logits = vlm.first_token_logits(noise_pictures(0), [SHORT, SHORT])
    if not np.isfinite(logits).all():
        raise Failed("its logits are not finite")


def _residual(vlm: Vlm) -> None:
    for picture in noise_pictures(1):
        inputs = vlm.prepare([picture], [SHORT])
        ours = _by_layer(vlm, truncated_forward(vlm, inputs, vlm.n_layers, ("residual",), np.float32))
        said = _hidden_states(vlm.module(**inputs, output_hidden_states=True, **vlm.forward_options()))
        if said is None or len(said) != vlm.n_layers + 1:
            raise Failed("it does not give the residual stream after each block, so reading cannot be checked")
        for layer in range(1, vlm.n_layers):  # the last one is normalised
            _same(vlm, ours[layer - 1], last_position(said[layer], 1)[0].float().cpu().numpy(), f"what is read after block {layer}")


def _hidden_states(output: Any) -> Any:
    """Return the decoder's hidden states of a model's output; some keep them in the output of the language model inside."""
    said = getattr(output, "hidden_states", None)
    return said if said is not None else getattr(getattr(output, "language_model_outputs", None), "hidden_states", None)


def _exits(vlm: Vlm) -> None:
    inputs = vlm.prepare(noise_pictures(2)[:1], [LONG])
    whole = _by_layer(vlm, truncated_forward(vlm, inputs, vlm.n_layers, ("residual",), np.float32))
    for layer in sorted({1, (1 + vlm.n_layers) // 2}):
        early = _by_layer(vlm, truncated_forward(vlm, inputs, layer, ("residual",), np.float32))
        _same(vlm, early[layer - 1], whole[layer - 1], f"what a pass that stops after block {layer} reads")


def _padding(vlm: Vlm) -> None:
    pictures = noise_pictures(3)
    together = vlm.first_token_logits(pictures, [SHORT, LONG])
    try:
        _same(vlm, together[0], vlm.first_token_logits(pictures[:1], [SHORT])[0], "an answer beside a longer prompt")
    except Failed:
        vlm.padding_is_neutral = False


def _generation(vlm: Vlm) -> None:
    picture = noise_pictures(4)[:1]
    logits = vlm.first_token_logits(picture, [SHORT])[0]
    inputs = vlm.prepare(picture, [SHORT])
    options = {"do_sample": False, "max_new_tokens": 1, "pad_token_id": vlm.tokenizer.pad_token_id}
    token = int(vlm.module.generate(**inputs, **options)[0, -1])
    slack = TOLERANCE.get(vlm.dtype, 0.1) * float(np.abs(logits).max())
    if logits[token] < logits.max() - slack:
        raise Failed("generation does not begin with the most likely token of its forward pass")


STEPS: dict[str, Callable[[Vlm], None]] = {
    "preparing a prompt": _prepare,
    "a forward pass": _forward,
    "reading the residual stream": _residual,
    "stopping early": _exits,
    "padding a batch": _padding,
    "generation": _generation,
}


def _by_layer(vlm: Vlm, values: np.ndarray) -> list[np.ndarray]:
    """Return the residual stream of one picture block by block, from (1, neuron)."""
    widths = reader_of(vlm).layout.widths(("residual",))[:, 0]
    return np.split(values[0], np.cumsum(widths)[:-1][: vlm.n_layers - 1])[: vlm.n_layers]


def _same(vlm: Vlm, one: np.ndarray, other: np.ndarray, what: str) -> None:
    if one.shape != other.shape:
        raise Failed(f"{what} has {one.size} numbers instead of {other.size}")
    size = max(float(np.abs(other).max()), 1e-6)
    off = float(np.abs(one - other).max()) / size
    if not off <= TOLERANCE.get(vlm.dtype, TOLERANCE[torch.bfloat16]):
        raise Failed(f"{what} differs by {100 * off:.1f} % of the largest value")


def _refused(vlm: Vlm, step: str, cause: str) -> UserError:
    kind = vlm.module.config.model_type
    return UserError(
        f"The model {vlm.name!r} (family {kind!r}) cannot be used.",
        f"Its self-test failed at {step}: {cause.rstrip('.')}.",
        "Choose another model; those that work are in the documentation, or add its family as CONTRIBUTING.md shows.",
    )


def _file(vlm: Vlm) -> Path:
    name = hashlib.sha256(f"{VERSION} {vlm.key} {torch.__version__}".encode()).hexdigest()[:32]
    return cache_folder() / "self-tests" / f"{name}.json"


def _remembered(vlm: Vlm) -> bool | None:
    """Return whether padding is neutral, as found when this checkpoint passed; None where it has not."""
    try:
        told = json.loads(_file(vlm).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = told.get("padding_is_neutral") if isinstance(told, dict) else None
    return known if isinstance(known, bool) else None


def _remember(vlm: Vlm) -> None:
    path = _file(vlm)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        told = {"model": vlm.key, "passed": list(STEPS), "padding_is_neutral": vlm.padding_is_neutral}
        path.write_text(json.dumps(told), encoding="utf-8")
    except OSError:  # it is tried again next time
        return
