"""The processor of a checkpoint: what turns pictures and text into a model's inputs.

Takes the folder of a checkpoint; returns the processor of the class that the checkpoint names, with its parts for videos and sound
left out where they cannot be built. transformers quietly takes another class where it cannot build that one; a model fed by it
would see pictures it was never trained on, so that is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from sn_viz.errors import UserError

NAMING = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
"""Files of a checkpoint that name its processor's class, in the order in which transformers asks them."""
NAMING_BYTES = 16 << 20
UNUSED = ("video", "audio", "feature_extractor")
"""Words in the names of a processor's parts that pictures and text do without."""


class _Unused(dict[str, Any]):
    """Stands where a processor wants its part for videos or sound, which may need packages: only pictures are shown.

    An empty dictionary, because a processor prints its parts as JSON.
    """


class _PicturesOnly:
    """Mixed into a processor class, lets it be built around ``_Unused``."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> object:
        if isinstance(argument, _Unused):
            return _Unused
        return super().check_argument_for_proper_class(argument_name, argument)  # type: ignore[misc]


def load_processor(source: str, config: Any, options: dict[str, Any], name: str) -> Any:
    """Return the processor of a checkpoint.

    Parameters
    ----------
    source : str
        The folder of the checkpoint.
    config : PreTrainedConfig
        Its configuration.
    options : dict
        For ``from_pretrained``.
    name : str
        What messages call the model.

    Raises
    ------
    UserError
        When the checkpoint names a processor that cannot be built here.
    """
    named = _named_class(Path(source))
    try:
        processor = AutoProcessor.from_pretrained(source, **options)
        if named is None or _is(processor, named) or not hasattr(transformers, named):
            return processor
        failed: Exception | None = None
    except (ImportError, ValueError) as error:
        if isinstance(error, ImportError) and not _misses_torchvision(error):
            raise
        failed = error
    whole = getattr(transformers, named, None) if named else PROCESSOR_MAPPING.get(type(config), None)
    try:
        return _pictures_only(whole or PROCESSOR_MAPPING[type(config)], source, options)
    except Exception as error:  # transformers raises whatever its classes raise
        why = failed if failed is not None and not isinstance(failed, ImportError) else error
        if isinstance(error, ImportError) and not _misses_torchvision(error):
            raise  # of a package, which is named where models are loaded
        if why is failed and not _misses_torchvision(why):
            raise why from error
        raise _cannot_build(name, named or config.model_type, why) from error


def _named_class(folder: Path) -> str | None:
    """Return the processor class that a checkpoint names, None where it names none."""
    for file in NAMING:
        path = folder / file
        if not path.is_file() or path.stat().st_size > NAMING_BYTES:
            continue
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            continue
        named = told.get("processor_class") if isinstance(told, dict) else None
        if isinstance(named, str) and named.isidentifier() and named.endswith("Processor"):
            return named
    return None


def _is(processor: Any, named: str) -> bool:
    return any(kind.__name__ == named for kind in type(processor).__mro__)


def _pictures_only(whole: Any, source: str, options: dict[str, Any]) -> Any:
    """Return a processor of the class ``whole`` without its parts for videos and sound."""
    kind: Any = type(whole.__name__, (_PicturesOnly, whole), {})
    parts: list[Any] = []
    for attribute in kind.get_attributes():
        if any(word in attribute for word in UNUSED):
            parts.append(_Unused())
        elif "tokenizer" in attribute:
            parts.append(AutoTokenizer.from_pretrained(source, **options))
        else:
            parts.append(AutoImageProcessor.from_pretrained(source, backend="pil", **options))
    settings, _ = kind.get_processor_dict(source, **options)
    return kind.from_args_and_dict(parts, settings)


def _misses_torchvision(error: Exception) -> bool:
    return "torchvision" in str(error).lower()


def _cannot_build(name: str, kind: str, error: Exception) -> UserError:
    needs = _misses_torchvision(error)
    cause = f"Its processor, {kind}, cannot be built here" + (" without torchvision." if needs else f" ({type(error).__name__}).")
    hint = "Install torch and torchvision of one release together." if needs else "Choose another model."
    return UserError(f"The model {name!r} could not be loaded.", cause, hint)
