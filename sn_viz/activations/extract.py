"""Labelled images and a model in, activations out.

One forward pass per batch; of every site only the last prompt position is kept (in the vision tower the mean over the patches), and
no logits are computed. It knows nothing about
labels beyond passing them on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.errors import UserError
from sn_viz.models.vlm import Vlm
from sn_viz.types import Activations, LabelledImages, Neurons, Picture, Progress

if TYPE_CHECKING:
    from sn_viz.activations.store import Store

BATCH_ON_CPU, BATCH_ON_GPU = 8, 32
"""Images a batch unless asked otherwise: on two cores larger batches gain nothing; on a GPU they fill it."""


def extract(
    model: Vlm | str,
    images: LabelledImages | Sequence[Any],
    question: str | None = None,
    sites: str | Sequence[str] = "all",
    progress: Progress | None = None,
    batch_size: int | None = None,
    cache: Store | None = None,
    up_to_layer: int | None = None,
    dtype: type[np.floating] = np.float16,
    also: Sequence[str] = (),
) -> Activations:
    """Read every neuron at the last prompt position, for every image.

    Parameters
    ----------
    model : Vlm or str
        A loaded model, or what ``load_model`` takes.
    images : LabelledImages, or sequence of paths, PIL images or Pictures
        What to look at.
    question : str, optional
        Asked of every image; None keeps the questions that come with ``LabelledImages``.
    sites : str or sequence of str
        Names of sites; "all" means all that the model's decoder has, "tower" all of its vision tower.
    progress : callable, optional
        Called between batches; it may raise ``errors.Cancelled``. What was read before is in the cache by then.
    batch_size : int, optional
        Images a forward pass; default 8 on the CPU and 32 on a GPU.
    cache : Store, optional
        Keeps rows by picture and question, so that adding one image costs one image. Used for float16 only.
    up_to_layer : int, optional
        Really stop there; default: the last layer. 0 and less lie in the vision tower.
    dtype : type
        ``np.float16`` (values beyond its range are cut to its largest number; NaN stays NaN) or ``np.float32``.
    also : sequence of str
        Further sites, each of which a later call will ask for: read in the same passes, as far as the model has them, and put in
        the cache. They are not part of the result, and without a cache or with ``up_to_layer`` they are not read.

    Returns
    -------
    Activations
        Rows in the order of ``images``; labels are -1 where unknown.

    Raises
    ------
    UserError
        When there are no images, no question, no such site or layer, or an image cannot be read.

    Examples
    --------
    >>> activations = extract(vlm, ["dog.png"], "Is there a dog?")  # doctest: +SKIP
    >>> activations.values.shape  # doctest: +SKIP
    (1, 15360)
    """
    vlm = _loaded(model)
    pictures, questions, labels = _examples(images, question)
    layout = reader_of(vlm).layout
    chosen = layout.available(sites)
    neurons = neurons_of(vlm, chosen, up_to_layer)
    last = layout.layers(chosen)[-1] if up_to_layer is None else up_to_layer
    key = _key(vlm, chosen, last, dtype)
    names = [_row_name(picture, text) for picture, text in zip(pictures, questions, strict=True)]
    values = np.empty((len(pictures), len(neurons)), dtype=dtype)
    known = _cached_rows(cache, vlm, chosen, last, dtype, names) if cache is not None and dtype == np.float16 else {}
    first_row: dict[str, int] = {}
    for row, name in enumerate(names):
        first_row.setdefault(name, row)
    missing = [row for name, row in first_row.items() if name not in known]
    for row, name in enumerate(names):
        if name in known:
            values[row] = known[name][: len(neurons)]
    done = len(pictures) - len(missing)
    _tell(progress, done, len(pictures))
    keeps = cache is not None and up_to_layer is None and dtype == np.float16 and bool(missing)
    beside = [(name,) for name in also if name not in chosen and layout.has(name)] if keeps else []
    read = layout.available((*chosen, *(name for (name,) in beside))) if beside else chosen
    columns = {sites: _columns(vlm, read, sites) for sites in (chosen, *beside)} if beside else {chosen: slice(None)}
    for rows in batches(vlm, pictures, questions, missing, batch_size):
        inputs = vlm.prepare([pictures[row] for row in rows], [questions[row] for row in rows])
        found = truncated_forward(vlm, inputs, last, read, dtype)
        values[rows] = found[:, columns[chosen]]
        if cache is not None and dtype == np.float16:
            for sites, where in columns.items():
                cache.put(_key(vlm, sites, last, dtype), dict(zip([names[row] for row in rows], found[:, where], strict=True)))
        done += len(rows)
        _tell(progress, done, len(pictures))
    for row, name in enumerate(names):  # the same picture with the same question, twice in one set
        if name not in known and first_row[name] != row:
            values[row] = values[first_row[name]]
    return Activations(values, neurons, labels, key)


def _columns(vlm: Vlm, read: tuple[str, ...], wanted: Sequence[str]) -> np.ndarray:
    """Return bool (neuron,): which of the neurons of ``read`` belong to the sites ``wanted``."""
    return np.isin(neurons_of(vlm, read).site, [read.index(name) for name in wanted])


def neurons_of(model: Vlm | str, sites: str | Sequence[str] = "all", up_to_layer: int | None = None) -> Neurons:
    """Return where every neuron of a model lives.

    Parameters
    ----------
    model : Vlm or str
        A loaded model, or what ``load_model`` takes.
    sites : str or sequence of str
        Names of sites; "all" means all that the model has.
    up_to_layer : int, optional
        Leave out later layers.

    Returns
    -------
    Neurons
        Sorted by layer, then site (in the registry's order), then unit.

    Raises
    ------
    UserError
        When there is no such site or layer.
    """
    vlm = _loaded(model)
    layout = reader_of(vlm).layout
    chosen = layout.available(sites)
    every = layout.layers(chosen)
    last = every[-1] if up_to_layer is None else up_to_layer
    layout.check_layer(chosen, last)
    widths = layout.widths(chosen)[: last - every.start + 1]
    cells = widths.ravel()
    layers, kinds = np.indices(widths.shape)
    starts = np.concatenate([[0], np.cumsum(cells)[:-1]])
    return Neurons(
        site=np.repeat(kinds.ravel(), cells).astype(np.int8),
        layer=np.repeat(layers.ravel() + every.start, cells).astype(np.int16),
        unit=(np.arange(cells.sum()) - np.repeat(starts, cells)).astype(np.int32),
        site_names=chosen,
    )


def _loaded(model: Vlm | str) -> Vlm:
    if isinstance(model, Vlm):
        return model
    from sn_viz.models import load_model

    return load_model(model)


def _examples(
    images: LabelledImages | Sequence[Any], question: str | None
) -> tuple[tuple[Picture, ...], tuple[str, ...], np.ndarray]:
    if isinstance(images, LabelledImages):
        asked = images.ask(question)
        pictures, questions, labels = asked.pictures, asked.questions, asked.labels
    else:
        pictures = tuple(_picture(image) for image in images)
        questions, labels = (question or "",) * len(pictures), np.full(len(pictures), -1, dtype=np.int64)
    if not pictures:
        raise UserError("There are no images.", "The list is empty.", "Give at least one image.")
    if not all(text.strip() for text in questions):
        raise UserError(
            "There is no question.",
            "Some images come without one and none was given.",
            "Ask a question, such as 'Is there a dog?'.",
        )
    return pictures, questions, labels


def _picture(image: Any) -> Picture:
    from sn_viz.sources.ingest import as_picture, read_picture

    if isinstance(image, str | os.PathLike):
        return read_picture(os.fspath(image), Path(image).name)
    return as_picture(image)


def batches(
    vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str], rows: Sequence[int], batch_size: int | None
) -> Iterator[list[int]]:
    """Yield rows whose prompts are equally long, at most ``batch_size`` at a time, so that nothing is padded."""
    size = batch_size or (BATCH_ON_CPU if vlm.device.type == "cpu" else BATCH_ON_GPU)
    groups = vlm.prompt_groups([pictures[row] for row in rows], [questions[row] for row in rows]) if rows else []
    for _, members in groupby(sorted(zip(groups, rows, strict=True)), key=lambda pair: pair[0]):
        same = [row for _, row in members]
        for start in range(0, len(same), size):
            yield same[start : start + size]


def _row_name(picture: Picture, question: str) -> str:
    """Return the name of a row in the cache: what was seen and what was asked."""
    return hashlib.sha256(f"{picture.sha256}\n{question}".encode()).hexdigest()


def _key(vlm: Vlm, sites: Sequence[str], last: int, dtype: type[np.floating]) -> str:
    layers = "all" if last == reader_of(vlm).layout.layers(sites)[-1] else str(last)
    return f"{vlm.key}.{'+'.join(sites)}.{layers}.{np.dtype(dtype).name}"


def _cached_rows(
    cache: Store, vlm: Vlm, sites: Sequence[str], last: int, dtype: type[np.floating], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return known rows; a row of all layers serves a shallower request too, since layers come first in the order of neurons."""
    known: dict[str, np.ndarray] = {}
    for key in dict.fromkeys((_key(vlm, sites, reader_of(vlm).layout.layers(sites)[-1], dtype), _key(vlm, sites, last, dtype))):
        absent = [name for name in dict.fromkeys(names) if name not in known]
        if absent:
            known.update(cache.get(key, absent))
    return known


def _tell(progress: Callable[[float, str], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done / total, f"Reading image {done} of {total}")
