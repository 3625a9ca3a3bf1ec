"""A data set of the Hugging Face Hub: ``hub:OWNER/NAME[@REVISION][:CONFIG/SPLIT]``.

Takes that reference, returns images to open. The package ``datasets`` is optional; rows are streamed by a process of their own with
bounded memory (``hub_worker``), only the first ``IMAGES`` of a seeded shuffle are fetched, and the bytes go through the one door
like any others. No code of it is run, and
no row names a file of this machine. A branch or a tag is resolved to its commit first; that is what is read, and a note keeps it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sn_viz.errors import UserError
from sn_viz.sources.arrow_files import opener
from sn_viz.sources.arrow_rows import ArrowRow, WorkerFailed, from_worker
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.classes import TEST, split_of
from sn_viz.sources.columns import Asked, asked_of
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.in_memory import SetRow, has_labels, rows_in
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import listed, quoted

SCHEME = "hub:"
SPLIT = "train"
IMAGES = 400
SHUFFLE = 1000
"""Rows held while shuffling: many data sets are sorted by class."""
WORKER_BYTES = 6144 * MIB
"""Address space of the process that streams, where the system can limit it: the rows that are shuffled lie in it."""
SECONDS = 5
"""How long the hub may take to say which commit a revision is."""
_REFERENCE = re.compile(
    r"(?P<name>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?(:((?P<config>[\w.-]+)/)?(?P<split>[\w.-]+))?", re.ASCII
)

_READ = re.compile(
    r"'hub:(\w[\w.-]*/\w[\w.-]*)[^']*' was read at commit ([0-9a-f]{40}), configuration '([\w.-]+)', split '([\w.-]+)'", re.ASCII
)
"""How the sentence begins that `_stream` makes."""


@dataclass(frozen=True)
class Reference:
    """A data set of the hub as a user wrote it."""

    text: str
    name: str
    revision: str | None = None
    config: str | None = None
    split: str | None = None

    @classmethod
    def of(cls, text: str) -> Reference:
        """Return what ``text`` says.

        Raises
        ------
        UserError

        Examples
        --------
        >>> Reference.of("hub:uoft-cs/cifar100@main:cifar100/test").split
        'test'
        """
        match = _REFERENCE.fullmatch(text.removeprefix(SCHEME))
        if match is None:
            cause = "It is written hub:OWNER/NAME, hub:OWNER/NAME@REVISION or hub:OWNER/NAME:CONFIG/SPLIT."
            raise UserError(f"{quoted(text)} is not a data set of the hub.", cause, "Check the name.")
        if Path(match["name"]).exists():
            cause = f"There is also a folder {match['name']} here, which would be read instead."
            raise UserError(f"{quoted(text)} was not read.", cause, "Leave out hub: to read the folder, or start elsewhere.")
        return cls(text, match["name"], match["revision"], match["config"], match["split"])


@SOURCES.register("hub")
class Hub:
    """A data set of the Hugging Face Hub, as hub:OWNER/NAME[@REVISION][:CONFIG/SPLIT] (needs the package datasets)."""

    @staticmethod
    def accepts(data: object) -> bool:
        text = asked_of(data)[0]
        return isinstance(text, str) and text.startswith(SCHEME)

    @staticmethod
    def read(data: str | Asked, budget: Budget) -> Iterator[Found | Note]:
        """Yield the rows of a data set, as they arrive."""
        text, asked = asked_of(data)
        reference = Reference.of(text)
        if importlib.util.find_spec("datasets") is None:
            cause = "The package 'datasets' is not installed."
            raise UserError(f"{quoted(text)} was not read.", cause, "Run: pip install datasets")
        task = {
            "reference": [reference.text, reference.name, reference.revision, reference.config, reference.split],
            "asked": dict(asked),
            "rows": min(IMAGES, budget.files),
            "file_bytes": budget.file_bytes,
            "memory": WORKER_BYTES,
        }
        try:
            for each in from_worker("sn_viz.sources.hub_worker", task):
                if isinstance(each, str):
                    yield Note(each)
                elif isinstance(each, ArrowRow):
                    at = f"row {each.number}"
                    yield Found(at, each.label, opener(each, at, budget), each.question, group=each.group)
        except WorkerFailed:
            cause = f"What it holds is damaged, or needs more than {WORKER_BYTES // MIB} MiB to be read."
            raise UserError(f"{quoted(text)} was not read.", cause, "Fetch some of its files, and give their folder.") from None


def rows_of(reference: Reference, asked: Mapping[str, str], n: int) -> Iterator[SetRow | Note]:
    """Yield at most ``n`` rows of a data set as they arrive, after what is to be known of it; call it where memory is bounded."""
    rows, said, split = _stream(reference, asked)
    yield Note(said)
    try:
        yield from rows_in(rows, asked, reference.text, n, with_paths=False)
    except hub_failures() as error:
        raise _other_columns(reference, split, error) or _not_had(reference, error) from error


def _stream(reference: Reference, asked: Mapping[str, str]) -> tuple[Any, str, str]:
    """Return the shuffled beginning of the data set, the sentence that says which commit and which part it is, and the split.

    Of a test split without labels nothing could be learnt; the validation split, where there is one, is then read instead.
    """
    import datasets  # pyright: ignore[reportMissingImports]  # optional
    from huggingface_hub import HfApi

    try:
        told = HfApi().dataset_info(reference.name, revision=reference.revision, timeout=SECONDS)
        commit = told.sha
        configs = datasets.get_dataset_config_names(reference.name, revision=commit)
        config = _chosen(reference, "configuration", reference.config, configs, None)
        splits = datasets.get_dataset_split_names(reference.name, config, revision=commit)
        split = _chosen(reference, "split", reference.split, splits, SPLIT)

        def split_called(name: str) -> Any:
            rows = datasets.load_dataset(reference.name, config, split=name, streaming=True, revision=commit)
            return rows._resolve_features() if rows.features is None else rows

        rows, bare = split_called(split), ""
        other = next((name for name in splits if split_of(name) == "val"), None)
        if other is not None and split_of(split) == TEST and not has_labels(rows, asked):
            rows, split = split_called(other), other
            bare = f" Its test split has no labels, so {quoted(other)} was read instead."
    except hub_failures() as error:
        raise _not_had(reference, error) from error
    others = [quoted(name) for name in splits if name != split]
    more = f" There are also the splits {listed(others)}." if others else ""
    said = (
        f"{quoted(reference.text)} was read at commit {commit}, configuration {quoted(config)}, split {quoted(split)}: "
        f"up to {IMAGES} rows of a shuffle. {licence(told.tags)}{bare}{more}"
    )
    return rows.shuffle(seed=0, buffer_size=SHUFFLE), said, split


def pinned(notes: Iterable[str]) -> list[str]:
    """Return the data sets of the hub that notes tell of, each at its commit, configuration and split: what `Reference` reads.

    Examples
    --------
    >>> pinned(["'hub:o/n' was read at commit " + 40 * "a" + ", configuration 'c', split 'train': up to 400 rows of a shuffle."])
    ['hub:o/n@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:c/train']
    """
    found = []
    for name, commit, config, split in (match.groups() for match in map(_READ.match, notes) if match):
        text = f"{SCHEME}{name}@{commit}:{config}/{split}"
        found += [text] if _REFERENCE.fullmatch(text.removeprefix(SCHEME)) else []
    return list(dict.fromkeys(found))


def licence(tags: Sequence[str] | None) -> str:
    """Return the sentence that says under which licence a data set is, as the hub's tags give it.

    Examples
    --------
    >>> licence(["license:mit", "size:1K"]), licence([])
    ("Licence as the hub gives it: 'mit'.", 'The hub gives no licence.')
    """
    given = [quoted(tag.removeprefix("license:")) for tag in tags or () if tag.startswith("license:")]
    return f"Licence as the hub gives it: {listed(given)}." if given else "The hub gives no licence."


def _other_columns(reference: Reference, split: str, error: Exception) -> UserError | None:
    """Return what to say where a split has other columns than the data set's first, which the package datasets cannot stream."""
    causes = [error, error.__cause__, error.__context__]
    if not any(type(each).__name__ in ("CastError", "DatasetGenerationCastError") for each in causes):
        return None
    cause = f"The split {quoted(split)} has other columns than this data set says, or than its first split has."
    hint = "Read another split, or fetch its files and give their folder, where each split is read by its own columns."
    return UserError(f"{quoted(reference.text)} was not read.", cause, hint)


def _chosen(reference: Reference, what: str, asked: str | None, there: Sequence[str], usual: str | None) -> str:
    """Return the configuration or split that is asked for, the usual one, or the only one."""
    if asked is not None and asked not in there:
        cause = f"It has {listed([quoted(name) for name in there])}."
        raise UserError(f"{quoted(reference.name)} has no {what} {quoted(asked)}.", cause, "Choose one of these.")
    if asked is not None:
        return asked
    if usual in there:
        return str(usual)
    if len(there) == 1:
        return there[0]
    cause = f"It has {listed([quoted(name) for name in there])}."
    raise UserError(f"{quoted(reference.name)} has several {what}s.", cause, f"Write {SCHEME}{reference.name}:CONFIG/SPLIT.")


def hub_failures() -> tuple[type[Exception], ...]:
    """Return what the hub's client raises for an unknown name, a refused access, a missing split or no network."""
    found: list[type[Exception]] = [OSError, ValueError, RuntimeError]
    for name in ("httpx2", "httpx"):  # what the client speaks through, newest first
        if importlib.util.find_spec(name) is not None:
            found.append(importlib.import_module(name).HTTPError)
    return tuple(found)


def _not_had(reference: Reference, error: Exception) -> UserError:
    """Return the sentence for what the hub's client or the package datasets raised; none of their words are in it."""
    cause, hint = _why(reference, error)
    return UserError(f"{quoted(reference.text)} was not read.", cause, hint)


def _why(reference: Reference, error: Exception) -> tuple[str, str]:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    elsewhere = "or use a folder, a table or a sample pack."
    if isinstance(error, GatedRepoError):  # before the next, of which it is a kind
        hint = "Accept them on its page on the hub, and set HF_TOKEN to a token of that account."
        return "It is gated: its owner gives it to those who have accepted its terms.", hint
    if isinstance(error, RepositoryNotFoundError):
        return "The hub has no such data set, or it is private.", f"Check the spelling, {elsewhere}"
    if isinstance(error, RevisionNotFoundError):
        cause = f"{reference.name} has no branch, tag or commit {quoted(reference.revision or '')}."
        return cause, "Leave out the revision for its main branch, or look it up on its page."
    kinds = {type(each).__name__ for each in (error, error.__cause__, error.__context__)}
    if kinds & {"EmptyDatasetError", "DataFilesNotFoundError"} or "Dataset scripts" in str(error):
        cause = "It has no files that can be read without running its code, which is never done."
        return cause, "Look on its page for a branch with Parquet, such as refs/convert/parquet, and name it behind @."
    if kinds & {"ConnectError", "ConnectTimeout", "ReadTimeout", "PoolTimeout", "ReadError", "RemoteProtocolError"}:
        return "The hub did not answer.", f"Check the network, {elsewhere}"
    return "The hub cannot be reached, or this data set cannot be streamed.", f"Check the name and the network, {elsewhere}"
