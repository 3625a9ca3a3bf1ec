"""Loads a model by name or from a folder.

Takes a name or path; returns a ``Vlm``. Only safetensors weights are read, no code that comes with a model is ever run, and a model
comes from the hub only at a pinned commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError

from sn_viz.errors import UserError
from sn_viz.models.catalog import locate
from sn_viz.models.torchvision_guard import hide_broken_torchvision
from sn_viz.models.vlm import Vlm
from sn_viz.models.weights import weights_key

hide_broken_torchvision()

from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402


class _NoVideo(dict[str, Any]):
    """Stands where a processor wants its video part, which needs torchvision: only pictures are shown, so it is never called.

    An empty dictionary, because a processor prints its parts as JSON.
    """


class _PicturesOnly:
    """Mixed into a processor class, lets it be built around ``_NoVideo``."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> object:
        if isinstance(argument, _NoVideo):
            return _NoVideo
        return super().check_argument_for_proper_class(argument_name, argument)  # type: ignore[misc]


def load_model(
    name_or_path: str | os.PathLike[str], device: str | torch.device | None = None, dtype: torch.dtype | None = None
) -> Vlm:
    """Load a frozen vision-language model.

    Parameters
    ----------
    name_or_path : str or path
        A name of ``models.catalog`` or a local folder saved by transformers.
    device : str or torch.device, optional
        Default: the GPU if there is one, else the CPU.
    dtype : torch.dtype, optional
        Default: float32 on the CPU, bfloat16 on a GPU.

    Returns
    -------
    Vlm
        In evaluation mode, with left padding.

    Raises
    ------
    UserError
        When there is no such model, its files are missing or damaged, it needs code of its own, or it is no decoder-only model.

    Examples
    --------
    >>> vlm = load_model("tiny-llava")  # doctest: +SKIP
    >>> vlm.n_layers  # doctest: +SKIP
    12
    """
    source, revision, name = locate(name_or_path)
    device = _device(device)
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False, "local_files_only": revision is None}
    try:
        with _quiet(local=revision is None):
            config = AutoConfig.from_pretrained(source, **options)
            processor = _load_processor(source, config, options)
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                source, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
            )
            module, report = loaded
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        raise UserError(
            f"The model {name!r} could not be loaded.",
            f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), 'no details')}",
            "It must be a complete image-text-to-text model with safetensors weights; from the hub, the network must work.",
        ) from error
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
    key = weights_key(name, source, revision, str(dtype).removeprefix("torch."), processor)
    return Vlm(name, module.eval().requires_grad_(False).to(device), processor, key)


def _device(wanted: str | torch.device | None) -> torch.device:
    """Return the device asked for, tried with a single number, or the fastest there is."""
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=wanted).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        there = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise UserError(f"There is no device {str(wanted)!r} here.", f"There is: {there}.", "Choose one of these.") from error
    return torch.device(wanted)


@contextmanager
def _quiet(local: bool) -> Iterator[None]:
    """Keep transformers' warnings off the screen, and its progress bars where nothing is downloaded."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if local:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _load_processor(source: str, config: Any, options: dict[str, Any]) -> Any:
    """Load the whole processor, or all of it but the video part where torchvision is absent."""
    try:
        return AutoProcessor.from_pretrained(source, **options)
    except ImportError as error:
        if "torchvision" not in str(error).lower():
            raise
        return _pictures_only_processor(source, config, options)


def _pictures_only_processor(source: str, config: Any, options: dict[str, Any]) -> Any:
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    whole: Any = PROCESSOR_MAPPING[type(config)]
    kind: Any = type(whole.__name__, (_PicturesOnly, whole), {})
    parts: list[Any] = []
    for attribute in kind.get_attributes():
        if "video" in attribute:
            parts.append(_NoVideo())
        elif "tokenizer" in attribute:
            parts.append(AutoTokenizer.from_pretrained(source, **options))
        else:
            parts.append(AutoImageProcessor.from_pretrained(source, backend="pil", **options))
    settings, _ = kind.get_processor_dict(source, **options)
    return kind.from_args_and_dict(parts, settings)
