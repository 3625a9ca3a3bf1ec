"""Labelled images and a model in, activations out.

One forward pass per batch; of every site only the last prompt position is kept (in the vision tower the mean over the patches), and
no logits are computed. It knows nothing about labels beyond passing them on.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import compress, groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sn_viz.activations.legs import each, is_lent
from sn_viz.activations.reader import read_during, reader_of, truncated_forward
from sn_viz.activations.sites import key_of
from sn_viz.activations.store import Store, writing_behind
from sn_viz.errors import UserError
from sn_viz.matrix import Filling
from sn_viz.models.vlm import Vlm
from sn_viz.types import Activations, LabelledImages, Neurons, Picture, Progress

BATCH_ON_CPU, BATCH_ON_GPU = 8, 32
"""Images a batch unless asked otherwise: on two cores larger batches gain nothing; on a GPU they fill it."""

WRITTEN_AT_ONCE = 8
"""Images of a pass that is the first of an answer's, unless asked otherwise: keys and values of all blocks are kept meanwhile."""
TOLD_EACH = 64
"""After so many rows out of the cache it is told how far it is."""
LARGE_ROW, READERS = 2**18, 4
"""Bytes of a row with which some are taken out of the cache at once, and by how many threads; small ones are not worth one."""


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
    arrived: Callable[[np.ndarray, np.ndarray], None] | None = None,
    carrier: Carrier | None = None,
    writing: Writing | None = None,
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
        Further sites, each of which a later call will ask for: read in the same passes, as far as the model has them and these
        passes reach them, and put in the cache. They are not part of the result, and without a cache or with ``up_to_layer`` they
        are not read.
    arrived : callable, optional
        Told after every pass what there is so far: values (example, neuron), to be copied and not kept, and bool (example,), which
        rows of them were read. Passes take the labels in turns, so that the first ones already hold every class.
    carrier : Carrier, optional
        Who carries out the passes; by default this process.
    writing : Writing, optional
        What the model is to write about each picture that is read, in the passes that read it as far as these go through all layers
        and the carrier can.

    Returns
    -------
    Activations
        Rows in the order of ``images``; labels are -1 where unknown. Values that take more than `sn_viz.memory.values_bytes` lie in
        a file, mapped and read-only; see `sn_viz.matrix`.

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
    wanted = _wanted(vlm, sites, up_to_layer, dtype)
    cache = cache if dtype == np.float16 else None
    names = row_names_of(pictures, questions)
    by = carrier or HERE
    filling = by.filling((len(names), len(wanted.neurons)), dtype)
    known = set[str]()
    for name in () if cache is None else by.known(cache, _keys(wanted), names, filling):
        known.add(name)
        if len(known) % TOLD_EACH == 0:
            _tell(progress, len(known), len(names))
    missing = _first_rows(names, known)
    beside = _beside(wanted, also) if cache is not None and up_to_layer is None and missing else []
    done, read = len(names) - len(missing), np.array([name in known for name in names])
    _tell(progress, done, len(names))
    reading = _reading(wanted, beside, pictures, questions, names)
    reading.writing = writing if wanted.last == vlm.n_layers else None
    at_once = batch_size or (by.batch_size if reading.writing is None else WRITTEN_AT_ONCE)  # whoever carries them out
    reading.groups = in_turns(list(batches(vlm, pictures, questions, missing, at_once)), labels)
    for rows in by.carry_out(reading, filling, cache):
        read[rows] = True
        done += len(rows)
        if arrived is not None and rows:
            arrived(filling.values, read)
        _tell(progress, done, len(names))
    _repeat_twins(filling, names, known)
    return Activations(filling.values, wanted.neurons, labels, wanted.key)


def n_unread(vlm: Vlm, images: LabelledImages, sites: str | Sequence[str] = "all", cache: Store | None = None) -> int:
    """Return how many passes `extract` would make over all layers: pictures with their questions that the cache does not hold."""
    return len(unread(vlm, images, sites, cache))


def unread(vlm: Vlm, images: LabelledImages, sites: str | Sequence[str] = "all", cache: Store | None = None) -> set[str]:
    """Return the names of the rows that `extract` would read over all layers."""
    names = set(row_names(images))
    if cache is None:
        return names
    key = row_key(vlm, sites)
    return {name for name in names if not cache.has(key, name)}


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What is read of every image: sites up to a layer, in one number format."""

    vlm: Vlm
    sites: tuple[str, ...]
    last: int
    """The layer where the pass stops."""
    dtype: type[np.floating]
    neurons: Neurons

    @property
    def key(self) -> str:
        """Name of these values in the cache."""
        return self.key_up_to(self.last)

    def key_up_to(self, layer: int) -> str:
        """Return the name in the cache of the same sites up to ``layer``."""
        layers = "all" if layer == self.deepest else str(layer)
        return f"{self.vlm.key}.{'+'.join(map(key_of, self.sites))}.{layers}.{np.dtype(self.dtype).name}"

    @property
    def deepest(self) -> int:
        """The last layer that holds the sites."""
        return reader_of(self.vlm).layout.layers(self.sites)[-1]


def _wanted(vlm: Vlm, sites: str | Sequence[str], up_to_layer: int | None, dtype: type[np.floating]) -> _Wanted:
    layout = reader_of(vlm).layout
    chosen = layout.available(sites)
    last = layout.layers(chosen)[-1] if up_to_layer is None else up_to_layer
    return _Wanted(vlm, chosen, last, dtype, neurons_of(vlm, chosen, last))


def _beside(wanted: _Wanted, also: Sequence[str]) -> list[_Wanted]:
    """Return those of the further sites, each on its own, that the same pass reaches and that are not read anyway."""
    has = reader_of(wanted.vlm).layout.has
    names = [name for name in dict.fromkeys(also) if name not in wanted.sites and has(name)]
    parts = [_wanted(wanted.vlm, (name,), None, wanted.dtype) for name in names]
    return [part for part in parts if part.last <= wanted.last]


@dataclass(eq=False)
class Reading:
    """What one call of `extract` reads, cut into passes."""

    vlm: Vlm
    pictures: Sequence[Picture]
    questions: Sequence[str]
    names: Sequence[str]
    """Names of the rows in the cache, one per example."""
    last: int
    """The layer where passes stop."""
    sites: tuple[str, ...]
    """Read in every pass."""
    dtype: type[np.floating]
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    """What rows are kept of a pass: key and sites. The first part is what was asked for, the others are read beside it."""
    groups: Sequence[list[int]] = ()
    """The examples of each pass: who repeats a pass repeats exactly these together."""
    writing: Writing | None = None

    def columns(self) -> list[Any]:
        """Return where each part lies among what a pass reads, bool (neuron,) or a slice."""
        if len(self.parts) == 1:
            return [slice(None)]
        return [_columns(self.vlm, self.sites, sites) for _, sites in self.parts]


Write = Callable[[Vlm, Sequence[Picture], Sequence[str]], list[str]]
"""Takes a model, pictures and questions; returns a text each."""


@dataclass(frozen=True)
class Writing:
    """What a model writes about the pictures that are read: the pass that is read is the first of its answer's."""

    write: Write
    """Writes about the pictures of a pass, in one batch. A function of a module, maybe with arguments filled in."""
    key: str
    """Under which the cache keeps the texts, as their UTF-8 bytes, by the names of the rows."""


class Carrier(Protocol):
    """Carries out the passes of `extract`, and says where their rows go; see `sn_viz.engines`."""

    batch_size: int | None
    """Images a pass, where the caller names none; None goes by this process's device."""

    def filling(self, shape: tuple[int, int], dtype: type[np.floating]) -> Filling:
        """Return what is filled with (example, neuron)."""
        ...

    def known(self, cache: Store, keys: Sequence[str], names: Sequence[str], filling: Filling) -> Iterator[str]:
        """Fill in the rows that the cache holds under one of the keys, and yield their names."""
        ...

    def carry_out(self, reading: Reading, filling: Filling, cache: Store | None) -> Iterator[list[int]]:
        """Carry out the passes, fill in and cache what they read; yield the rows of each that is done.

        What is yielded now and then without rows lets the caller stop.
        """
        ...


class Here:
    """This process carries out the passes, in order."""

    batch_size: int | None = None

    def filling(self, shape: tuple[int, int], dtype: type[np.floating]) -> Filling:
        return Filling(shape, dtype)

    def known(self, cache: Store, keys: Sequence[str], names: Sequence[str], filling: Filling) -> Iterator[str]:
        where, width = rows_by_name(names), filling.values.shape[1]
        get = cache.get if filling.is_in_memory else partial(cache.get, once=True)

        def filled_in(name: str) -> bool:
            for key in keys:
                for row in get(key, [name]).values():
                    filling.put(where[name], np.broadcast_to(row[:width], (len(where[name]), width)))
                    return True
            return False

        n_threads = min(os.cpu_count() or 1, READERS) if width * filling.values.itemsize >= LARGE_ROW else 1
        pool = ThreadPoolExecutor(n_threads, "cached")
        try:
            yield from compress(where, pool.map(filled_in, where) if n_threads > 1 else map(filled_in, where))
        finally:
            pool.shutdown(cancel_futures=True)

    def carry_out(self, reading: Reading, filling: Filling, cache: Store | None) -> Iterator[list[int]]:
        columns = reading.columns()
        some = [([reading.pictures[row] for row in rows], [reading.questions[row] for row in rows]) for rows in reading.groups]
        named = [[reading.names[row] for row in rows] for rows in reading.groups]
        write = [self._write(reading.writing, names, cache) for names in named]
        calls = [(*one, reading.last, reading.sites, reading.dtype, how) for one, how in zip(some, write, strict=True)]
        with nullcontext() if cache is None else writing_behind(cache) as put:
            for rows, names, (found, texts) in zip(reading.groups, named, each(reading.vlm, _pass, calls), strict=True):
                filling.put(rows, found[:, columns[0]])
                if put is not None:
                    keep(put, reading.parts, columns, names, found)
                    if reading.writing is not None and texts:
                        put(reading.writing.key, {name: as_row(text) for name, text in zip(names, texts, strict=True)})
                yield rows

    def _write(self, writing: Writing | None, names: Sequence[str], cache: Store | None) -> Write | None:
        """Return what writes about the rows of a pass; None where nobody asks, nothing would keep it, or all of it is kept."""
        if writing is None or cache is None or all(cache.has(writing.key, name) for name in names):
            return None
        return writing.write


HERE = Here()


def keep(
    put: Callable[[str, Mapping[str, np.ndarray]], None],
    parts: Sequence[tuple[str, tuple[str, ...]]],
    columns: Sequence[Any],
    names: Sequence[str],
    found: np.ndarray,
) -> None:
    """Put what a pass read, (row, neuron), into the cache by its ``Store.put``: each part under its key."""
    for (key, _), where in zip(parts, columns, strict=True):
        put(key, dict(zip(names, found[:, where], strict=True)))


def as_row(text: str) -> np.ndarray:
    """Return a text as the cache keeps it, uint8 (byte,)."""
    return np.frombuffer(text.encode(), np.uint8)


def rows_by_name(names: Sequence[str]) -> dict[str, list[int]]:
    """Return at which rows each name stands: one picture with one question may come several times."""
    where: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        where.setdefault(name, []).append(row)
    return where


def _keys(wanted: _Wanted) -> list[str]:
    """Return under which keys rows may be kept: one of all layers serves a shallower request too, since layers come first."""
    return list(dict.fromkeys((wanted.key_up_to(wanted.deepest), wanted.key)))


def _reading(
    wanted: _Wanted, beside: Sequence[_Wanted], pictures: Sequence[Picture], questions: Sequence[str], names: Sequence[str]
) -> Reading:
    every = tuple(wanted.sites)
    if beside:
        every = reader_of(wanted.vlm).layout.available((*every, *(part.sites[0] for part in beside)))
    parts = tuple((part.key, tuple(part.sites)) for part in (wanted, *beside))
    return Reading(wanted.vlm, pictures, questions, names, wanted.last, tuple(every), wanted.dtype, parts)


def read_pass(
    vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str], last: int, sites: tuple[str, ...], dtype: type[np.floating]
) -> np.ndarray:
    """Return what one pass up to a layer reads, (example, neuron)."""
    return truncated_forward(vlm, vlm.prepare(pictures, questions), last, sites, dtype)


def _pass(
    vlm: Vlm,
    pictures: Sequence[Picture],
    questions: Sequence[str],
    last: int,
    sites: tuple[str, ...],
    dtype: type[np.floating],
    write: Write | None,
) -> tuple[np.ndarray, list[str]]:
    """Return what `read_pass` does, and what the model writes about each picture, where that is asked for."""
    texts: list[str] = []
    if write is not None:
        inputs, run = vlm.prepare(pictures, questions), partial(write, vlm, pictures, questions)
        values, texts = read_during(vlm, inputs, last, run, sites, dtype)
        if values is not None:
            return values, texts
    return read_pass(vlm, pictures, questions, last, sites, dtype), texts


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
    size = batch_size or (BATCH_ON_CPU if vlm.device.type == "cpu" and not is_lent(vlm) else BATCH_ON_GPU)
    groups = vlm.prompt_groups([pictures[row] for row in rows], [questions[row] for row in rows]) if rows else []
    for _, members in groupby(sorted(zip(groups, rows, strict=True)), key=lambda pair: pair[0]):
        same = [row for _, row in members]
        for start in range(0, len(same), size):
            yield same[start : start + size]


def in_turns(groups: Sequence[list[int]], labels: np.ndarray) -> list[list[int]]:
    """Return the same batches in an order in which the labels of their first rows take turns; each batch stays as it is.

    Examples
    --------
    >>> in_turns([[0, 1], [2, 3], [4]], np.array([0, 0, 0, 0, 1]))
    [[0, 1], [4], [2, 3]]
    """
    turn, seen = [], Counter()
    for rows in groups:
        label = int(labels[rows[0]])
        turn.append(seen[label])
        seen[label] += 1
    return [groups[i] for i in sorted(range(len(groups)), key=lambda i: turn[i])]


def row_key(vlm: Vlm, sites: str | Sequence[str] = "all") -> str:
    """Return the key under which the cache keeps float16 rows of all layers at these sites."""
    return _wanted(vlm, sites, None, np.float16).key


def row_names(images: LabelledImages) -> list[str]:
    """Return the names of the rows that the cache may hold of these images, whatever model they were read with."""
    return row_names_of(images.pictures, images.questions)


def row_names_of(pictures: Sequence[Picture], questions: Sequence[str]) -> list[str]:
    """Return the names of the rows of pictures with their questions."""
    return [_row_name(*pair) for pair in zip(pictures, questions, strict=True)]


def _row_name(picture: Picture, question: str) -> str:
    """Return the name of a row in the cache: what was seen and what was asked."""
    return hashlib.sha256(f"{picture.sha256}\n{question}".encode()).hexdigest()


def _first_rows(names: Sequence[str], known: Collection[str]) -> list[int]:
    """Return the rows to read: the first of every name that is not known."""
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        first.setdefault(name, row)
    return [row for name, row in first.items() if name not in known]


def _repeat_twins(filling: Filling, names: Sequence[str], known: Collection[str]) -> None:
    """Fill in, behind its first row, the same picture with the same question in one set."""
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        if name not in known and first.setdefault(name, row) != row:
            filling.put([row], np.array(filling.values[first[name]])[None])


def _tell(progress: Callable[[float, str], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done / total, f"Reading image {done} of {total}")
