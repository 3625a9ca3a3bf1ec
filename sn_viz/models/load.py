"""Loads a model by name or from a folder.

Takes a name or path; returns a ``Vlm``. Only safetensors weights are read, and no code that comes with a model is ever run. A model
of the hub is a folder too, at one commit (``hub.obtain``), so transformers never asks the network. Whatever is not embedded is
looked at first (``folder_check``), its template and tokenizer run in a process of their own (``apart``), and it is tried on one
picture: what cannot be used is told in a sentence.
"""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sn_viz.errors import UserError
from sn_viz.models import zero_gpu
from sn_viz.models.apart import Apart, Template, try_tokenizer
from sn_viz.models.detail import look_at, settled
from sn_viz.models.fold import simplify_tower
from sn_viz.models.folder_check import check_folder, check_weights, weights_held
from sn_viz.models.hub.obtain import obtain
from sn_viz.models.options import DEFAULT, LoadOptions, dtype_name
from sn_viz.models.placement import bytes_a_weight, is_placed, keywords, number_format
from sn_viz.models.torchvision_guard import hide_broken_torchvision
from sn_viz.models.vlm import Vlm
from sn_viz.models.weights import weights_key
from sn_viz.paths import ASSETS
from sn_viz.types import Picture

hide_broken_torchvision()

import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedConfig  # noqa: E402
from transformers.utils import logging  # noqa: E402

from sn_viz.models.processors import load_processor  # noqa: E402


def load_model(
    name_or_path: str | os.PathLike[str],
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    options: LoadOptions | None = None,
) -> Vlm:
    """Load a frozen vision-language model.

    Parameters
    ----------
    name_or_path : str or path
        A name of ``models.catalog``, a local folder saved by transformers, or a model of the hub as OWNER/NAME[@REVISION]; what is
        not on this machine is fetched, see ``models.hub.obtain``.
    device : str or torch.device, optional
        Default: the GPU if there is one, else the CPU. Not together with a device map.
    dtype : torch.dtype or str, optional
        Default: that of ``options``; float32 on the CPU, bfloat16 on a GPU where those leave it open too.
    options : LoadOptions, optional
        Number format, places on several devices or on disk, quantisation, attention, and how closely pictures are looked at.

    Returns
    -------
    Vlm
        In evaluation mode, with left padding.

    Raises
    ------
    UserError
        When there is no such model, it cannot be fetched, its files are missing or damaged, it needs a Python package that is not
        installed or code of its own, it is no decoder-only model, or this machine does not allow an option.

    Examples
    --------
    >>> vlm = load_model("tiny-llava")  # doctest: +SKIP
    >>> vlm.n_layers  # doctest: +SKIP
    12
    """
    found = obtain(name_or_path)
    source, name = found.folder, found.title
    chosen = options or DEFAULT
    if dtype is not None:
        chosen = replace(chosen, dtype=dtype_name(dtype))
    if device is not None and chosen.places is not None:
        raise UserError("A device and a device map were named.", f"They are {device} and {chosen.device_map}.", "Leave out one.")
    device = _device(device)
    number = number_format(chosen, device)
    local: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    apart = _apart(source, name)
    offloaded = tempfile.TemporaryDirectory(prefix="sn-viz-offload-", ignore_cleanup_errors=True)
    try:
        with quiet():
            config = _plain_config(AutoConfig.from_pretrained(source, **local))
            processor = load_processor(source, config, local, name)
            more = keywords(chosen, config, number, device, name, offloaded.name)
            _check_weights(source, config, chosen, number, device, name)
            loaded: Any = _kind(config, name).from_pretrained(
                source, config=config, dtype=number, use_safetensors=True, output_loading_info=True, **local, **more
            )
            module, report = loaded
            _plain_generation(module)
            module = module.eval().requires_grad_(False)
            if not (is_placed(module) or "device_map" in more):
                module = module.to(device)
    except UserError:
        raise
    except Exception as error:  # transformers and tokenizers raise whatever a damaged folder makes them raise, plain Exception too
        raise _not_loaded(name, error, chosen) from error
    if report["missing_keys"]:
        raise UserError(
            f"The model {name!r} could not be loaded.",
            f"{len(report['missing_keys'])} of its weights are missing, such as {min(report['missing_keys'])}.",
            "Restore its files: all shards must be there.",
        )
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(
            f"The model {name!r} cannot be used.",
            "It has an encoder and a decoder; super neurons are read from a decoder-only language model.",
            "Choose a model such as LLaVA, Qwen3-VL, Idefics3 or Gemma 3.",
        )
    folded = not is_placed(module) and simplify_tower(module) is not None
    vlm = Vlm(name, module, processor, key="")
    vlm.offloaded = offloaded
    if vlm.quantised:
        getLogger("bitsandbytes").setLevel("ERROR")  # it warns in every pass that it computes in its own numbers
    vlm.from_outside, vlm.source = apart is not None, found.name
    if apart is not None:
        if getattr(processor, "chat_template", None):
            vlm.template = Template(apart, processor)
        vlm.look = look_at(vlm, settled(chosen.detail, device))
    vlm.options = replace(chosen, detail=vlm.look.level)
    vlm.key = weights_key(
        found.repository or name,
        found.repository or source,
        found.commit or None,
        dtype_name(number),
        processor,  # with the settings that its detail changes
        tuple(pair for pair in chosen.told() if pair[0] in IN_KEY),
    ) + ("-folded" if folded else "")
    if apart is not None:
        _try(vlm)
    return vlm


def load_weights(folder: Path, kind: Any, config: Any, name: str) -> Any:
    """Return a module of a class of transformers with weights from a folder, in the numbers in which they lie there.

    Parameters
    ----------
    folder : Path
        Of a checkpoint that was loaded before, so that it was looked at.
    kind : type
    config : PreTrainedConfig
        May ask for fewer blocks than the folder holds; weights that it does not ask for are not read.
    name : str
        What messages call the model.

    Raises
    ------
    UserError
        When weights that it asks for are missing.
    """
    with quiet():
        loaded: Any = kind.from_pretrained(
            str(folder),
            config=_plain_config(config),
            dtype="auto",
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    module, report = loaded
    if report["missing_keys"]:
        missing = f"{len(report['missing_keys'])} weights are missing, such as {min(report['missing_keys'])}."
        raise UserError(f"A part of the model {name!r} could not be loaded.", missing, "Use the whole model.")
    return module.eval().requires_grad_(False)


IN_KEY = ("device_map", "quantize", "attn")
"""Options that are part of a model's key by their names; number format and processor are hashed as they are."""


def _apart(source: str, name: str) -> Apart | None:
    """Return the process for template and tokenizer of a model from outside, tried; None for an embedded one."""
    if Path(source).resolve().parent == ASSETS.resolve():
        return None
    apart = Apart()
    apart.start()  # it takes its moment while the files are looked at
    check_folder(source, name)
    try:
        try_tokenizer(apart, Path(source))
    except UserError as error:
        raise UserError(f"The model {name!r} could not be loaded.", f"{error.what} {error.cause}", error.hint) from error
    return apart


def _plain_config(config: Any) -> Any:
    """Return a configuration that leaves the choice of attention to transformers: one that is read may name code on the hub."""
    parts, seen = [config], []
    while parts:
        part = parts.pop()
        seen.append(part)
        part._attn_implementation = None
        part._experts_implementation = None
        inner = (value for value in vars(part).values() if isinstance(value, PreTrainedConfig))
        parts += [value for value in inner if all(value is not known for known in seen)]
    return config


def _plain_generation(module: Any) -> None:
    """Keep of a model's own settings for generating only its tokens and its penalty for repeating, and no number of beams."""
    own = module.generation_config
    kept = {name: getattr(own, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id", "suppress_tokens")}
    penalty = getattr(own, "repetition_penalty", None)
    if isinstance(penalty, float) and 0.1 <= penalty <= 10:
        kept["repetition_penalty"] = penalty
    module.generation_config = type(own)(**{name: value for name, value in kept.items() if value is not None})


def _check_weights(source: str, config: Any, options: LoadOptions, dtype: torch.dtype, device: torch.device, name: str) -> None:
    """Count the weights that a configuration asks for, before any is allocated."""
    held = weights_held(source, name)
    with torch.device("meta"):
        asked = sum(weight.numel() for weight in _kind(config, name).from_config(copy.deepcopy(config)).parameters())
    quantised = getattr(config, "quantization_config", None) is not None
    whole = device.type == "cpu" and options.places is None
    check_weights(asked, held, bytes_a_weight(options, dtype), quantised, whole, name)


def _kind(config: Any, name: str) -> Any:
    """Return the class of transformers that finds a configuration's model: of pictures and text, else of more senses besides."""
    for kind in (AutoModelForImageTextToText, getattr(transformers, "AutoModelForMultimodalLM", None)):
        if kind is not None and type(config) in kind._model_mapping:
            return kind
    raise UserError(
        f"The model {name!r} cannot be used.",
        f"Its family, {config.model_type!r}, is none that transformers {transformers.__version__} knows to answer about pictures.",
        "Choose another model; those that work are in the documentation, docs/families.md.",
    )


def _try(vlm: Vlm) -> None:
    """Ask the model about one blank picture, so that what cannot answer is told now and not in the middle of a search."""
    try:
        vlm.first_token_logits([Picture(np.full((48, 64, 3), 127, np.uint8))], ["Is there a dog in this picture?"])
    except UserError as error:
        raise UserError(f"The model {vlm.name!r} could not be loaded.", f"{error.what} {error.cause}", error.hint) from error
    except Exception as error:  # whatever its parts do when they do not fit each other
        cause = f"A first forward pass of its family, {vlm.module.config.model_type!r}, failed: {_said(error)}"
        hint = "Restore its files; if they are whole, choose another model, or another release of transformers."
        raise UserError(f"The model {vlm.name!r} could not be loaded.", cause, _hint(error, vlm.options, hint)) from error


def _not_loaded(name: str, error: Exception, options: LoadOptions = DEFAULT) -> UserError:
    if isinstance(error, ImportError) and (package := _package(error)):
        cause = f"It needs the Python package {package}, which is not installed here."
        return UserError(f"The model {name!r} could not be loaded.", cause, f"Run: pip install {package}")
    return UserError(
        f"The model {name!r} could not be loaded.",
        _said(error),
        _hint(error, options, "It must be a complete image-text-to-text model with safetensors weights."),
    )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), 'no details')[:300]}"


def _hint(error: Exception, options: LoadOptions, usual: str) -> str:
    """Say what may help: less memory, fewer options, or else what usually does."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return "Load it with --quantize 8bit or 4bit, with --device-map auto, or choose a smaller model."
    told = [(name.replace("_", "-"), "" if value.startswith("{") else f" {value}") for name, value in options.told()]
    asked = {f"--{name}{value}" for name, value in told if name != "detail"}
    if asked:
        return f"If it loads without {' and '.join(sorted(asked))}, this model or this machine does not allow that."
    return usual


def _package(error: ImportError) -> str:
    """Return the package that an ImportError misses, as Python or transformers say it; "" where neither does."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    found = re.search(r"requires the (\w[\w-]*) library|Package `(\w[\w-]*)` is required", str(error))
    return (found[1] or found[2]).lower() if found else ""


def _device(wanted: str | torch.device | None) -> torch.device:
    """Return the device asked for, tried with a single number, or the fastest there is; a GPU that is only lent is not there."""
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() and not zero_gpu.is_on() else "cpu")
    try:
        torch.empty(1, device=wanted).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        there = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise UserError(f"There is no device {str(wanted)!r} here.", f"There is: {there}.", "Choose one of these.") from error
    return torch.device(wanted)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' warnings and progress bars off the screen."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    others = {name: getLogger(name) for name in ("accelerate.big_modeling",)}
    levels = {name: logger.level for name, logger in others.items()}
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for logger in others.values():
        logger.setLevel("ERROR")
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        for name, logger in others.items():
            logger.setLevel(levels[name])
        if bars:
            logging.enable_progress_bar()
