"""What load options mean to transformers: number format, places, quantisation and attention, or a sentence about what is missing.

Takes ``LoadOptions``, a configuration and a device; returns keywords of ``from_pretrained``. It loads nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from typing import Any

import torch
from torch import nn

from sn_viz.errors import UserError
from sn_viz.models.options import ATTENTIONS, DEVICE_MAPS, QUANTIZATIONS, LoadOptions

BYTES = {"8bit": 1.0, "4bit": 0.5}
"""Of one quantised weight."""
READ_QUANTISED = {
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed_tensors",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
}
"""Methods whose checkpoints are read, and the package that each needs. Others bring kernels from the hub, or were never tried."""


def number_format(options: LoadOptions, device: torch.device) -> torch.dtype:
    """Return the number format of the weights that are not quantised."""
    if options.dtype != "auto":
        return getattr(torch, options.dtype)
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def bytes_a_weight(options: LoadOptions, dtype: torch.dtype) -> float:
    """Return how many bytes a weight takes, those that stay unquantised left aside."""
    return BYTES.get(options.quantize, float(dtype.itemsize))


def keywords(
    options: LoadOptions, config: Any, dtype: torch.dtype, device: torch.device, name: str, offload_folder: str
) -> dict[str, Any]:
    """Return the keywords of ``from_pretrained`` beyond those of every model.

    Parameters
    ----------
    options : LoadOptions
    config : PreTrainedConfig
        Of the checkpoint.
    dtype : torch.dtype
    device : torch.device
        Where a model that is not shared out goes.
    name : str
        What messages call the model.
    offload_folder : str
        Where weights may be put that stay on disk.

    Raises
    ------
    UserError
        When a package or a device is missing, or the checkpoint is quantised already.
    """
    found: dict[str, Any] = {}
    places = options.places
    if places is not None:
        _need("accelerate", f"The model {name!r} cannot be shared out over devices.")
        _check_places(places, name)
        _check_tied(places, config, name)
        found |= {"device_map": places, "offload_folder": offload_folder}
    _check_quantised(config, options, name)
    if options.quantize != "none":
        found |= _quantised(options, dtype, device, places, name)
    if options.attn != "auto":
        found["attn_implementation"] = _attention(options.attn, dtype, device, name)
    return found


def allowed_here(option: str) -> tuple[str, ...]:
    """Return what this machine allows an option to be: packages and devices that it asks for are there.

    Parameters
    ----------
    option : str
        A field of ``LoadOptions``.
    """
    gpu, accelerate = torch.cuda.is_available(), _is_there("accelerate")
    allowed = {
        "device_map": DEVICE_MAPS if accelerate and gpu else ("none", "auto") if accelerate else ("none",),
        "quantize": QUANTIZATIONS if accelerate and _is_there("bitsandbytes") else ("none",),
        "attn": tuple(name for name in ATTENTIONS if name != "flash" or (gpu and _is_there("flash_attn"))),
    }
    return allowed[option]


def quantised_by(config: Any) -> str:
    """Return the method that a checkpoint is quantised by, "" for none."""
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return ""
    told = settings.get("quant_method") if isinstance(settings, dict) else getattr(settings, "quant_method", None)
    return str(getattr(told, "value", told) or "an unknown method")


def is_quantised(module: Any) -> bool:
    """Return whether a loaded model holds quantised weights."""
    return getattr(module, "quantization_method", None) is not None or getattr(module, "hf_quantizer", None) is not None


def is_shared_out(module: Any) -> bool:
    """Return whether the modules of a loaded model lie on several devices, or on disk."""
    places = set(map(str, (getattr(module, "hf_device_map", None) or {}).values()))
    return len(places) > 1 or "disk" in places


def is_placed(module: Any) -> bool:
    """Return whether accelerate moves what the modules are given to where each of them is."""
    return hasattr(module, "_hf_hook") or any(hasattr(part, "_hf_hook") for part in module.modules())


def input_device(module: Any) -> torch.device:
    """Return where the inputs of a model that is shared out go: to the first module that says where it is computed with."""
    for part in (module, *module.modules()):
        place = getattr(getattr(part, "_hf_hook", None), "execution_device", None)
        if place is not None:
            return torch.device("cuda", place) if isinstance(place, int) else torch.device(place)
    return torch.device("cpu")


def count_weights(module: nn.Module) -> int:
    """Return how many weights a model has; of those in 4 bit two lie in one number."""
    return sum(weight.numel() * (2 if type(weight).__name__ == "Params4bit" else 1) for weight in module.parameters())


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _need(package: str, what: str) -> None:
    if not _is_there(package):
        raise UserError(what, f"It needs the Python package {package}, which is not installed here.", f"Run: pip install {package}")


def _check_places(places: str | dict[str, str | int], name: str) -> None:
    there = torch.cuda.device_count()
    wanted = [place for place in places.values() if isinstance(place, int)] if isinstance(places, dict) else []
    if wanted and max(wanted) >= there:
        raise UserError(
            f"The model {name!r} cannot be placed.",
            f"There is no GPU {max(wanted)}; here are {there}.",
            "Name those that there are.",
        )


def _check_tied(places: str | dict[str, str | int], config: Any, name: str) -> None:
    """Refuse a map that parts the head from the embedding whose weights it shares."""
    text = config.get_text_config(decoder=True)
    tied = getattr(config, "tie_word_embeddings", False) or getattr(text, "tie_word_embeddings", False)
    if not isinstance(places, dict) or not tied:
        return
    named = [module for module in places if module.endswith("embed_tokens")]
    above = [module for module in places if module in ("", "model", "language_model", "model.language_model")]
    embedding = max(named or above, key=len, default=None)
    heads = [place for module, place in places.items() if module.endswith("lm_head")]
    if embedding is not None and heads and heads[0] != places[embedding]:
        raise UserError(
            f"The model {name!r} cannot be placed.",
            "Its head shares its weights with its embedding, and the map puts them in two places.",
            "Put both in one place, or say auto.",
        )


def _check_quantised(config: Any, options: LoadOptions, name: str) -> None:
    method = quantised_by(config)
    if not method:
        return
    if options.quantize != "none":
        raise UserError(
            f"The model {name!r} cannot be quantised.", f"It is already, by {method}.", f"Leave out --quantize {options.quantize}."
        )
    if method not in READ_QUANTISED:
        raise UserError(
            f"The model {name!r} cannot be used.",
            f"It is quantised by {method}; those by {', '.join(READ_QUANTISED)} are read.",
            "Choose the checkpoint that is not quantised, and --quantize 8bit or 4bit.",
        )
    _need(READ_QUANTISED[method], f"The model {name!r} could not be loaded: it is quantised by {method}.")
    if method == "bitsandbytes":
        import_bitsandbytes()


def import_bitsandbytes() -> None:
    """Import bitsandbytes without the package ``kernels``, through which it would fetch compiled code from the hub."""
    if "bitsandbytes" in sys.modules:
        return
    absent = object()
    kernels = sys.modules.get("kernels", absent)
    sys.modules["kernels"] = None  # type: ignore[assignment]  # what cannot be imported
    logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns that it did not get it
    try:
        importlib.import_module("bitsandbytes")
    finally:
        logger.setLevel(level)
        if kernels is absent:
            del sys.modules["kernels"]
        else:
            sys.modules["kernels"] = kernels  # type: ignore[assignment]


def _quantised(options: LoadOptions, dtype: torch.dtype, device: torch.device, places: Any, name: str) -> dict[str, Any]:
    what = f"The model {name!r} cannot be quantised."
    for package in ("bitsandbytes", "accelerate"):
        _need(package, what)
    import_bitsandbytes()
    if isinstance(places, dict) and {"cpu", "disk"} & set(places.values()) and set(places.values()) != {"cpu"}:
        raise UserError(
            what,
            "Quantised weights lie on one kind of device; this map has some in memory or on disk.",
            "Leave out one of the two.",
        )
    from transformers import BitsAndBytesConfig

    if options.quantize == "8bit":
        settings = BitsAndBytesConfig(load_in_8bit=True)
    else:
        settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return {"quantization_config": settings} | ({} if places is not None else {"device_map": {"": device}})


def _attention(attn: str, dtype: torch.dtype, device: torch.device, name: str) -> str:
    if attn != "flash":
        return attn
    what = f"The model {name!r} cannot use flash attention."
    if device.type != "cuda":
        raise UserError(what, "It runs on NVIDIA GPUs, and there is none here.", "Use --attn sdpa.")
    if dtype == torch.float32:
        raise UserError(what, "It computes in bfloat16 or float16, not in float32.", "Add --dtype bfloat16, or use --attn sdpa.")
    if not _is_there("flash_attn"):
        raise UserError(
            what, "It needs the Python package flash-attn, which is not installed here.", "Use --attn sdpa, or install it."
        )
    return "flash_attention_2"
