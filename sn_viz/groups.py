"""Which examples belong together, and everything that is drawn by whole groups: sides of a split, folds, shuffled labels.

Takes ``LabelledImages``, or labels with a group index; returns indices, folds and labels. It knows nothing about files, models or
what is being decided.

Two examples belong together when they show the same picture or carry the same name in ``LabelledImages.groups`` (a person, a
recording, a film), case, spaces and width of letters aside, directly or through others. A method that has seen one of them has seen
something of all, so they are never on two sides of anything. Where nothing is shared, every function draws exactly what it would
draw for single examples.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Int

from sn_viz.errors import UserError
from sn_viz.types import LabelledImages

MOST_FOLDED = 1000
"""Characters of a group's name in which spellings are looked for."""
TRIES = 50
"""Draws of which the most even one is taken, where groups hold several classes."""


def group_index(images: LabelledImages) -> Int[np.ndarray, " example"]:
    """Return the group of each example.

    Parameters
    ----------
    images : LabelledImages

    Returns
    -------
    int64 (example,)
        The first example of the group: equal numbers belong together. ``arange`` when nothing is shared.

    Raises
    ------
    UserError
        When ``images.groups`` is not empty and not as long as the examples.

    Examples
    --------
    >>> from sn_viz.types import Picture
    >>> a, b, c = (Picture(np.full((8, 8, 3), grey, np.uint8)) for grey in (1, 2, 3))
    >>> asked, labels, groups = tuple("pqrs"), np.array([0, 1, 1, 0]), ("", "Eve", "", "Eve")
    >>> group_index(LabelledImages(tuple("wxyz"), (a, b, a, c), labels, ("no", "yes"), asked, groups=groups))
    array([0, 1, 0, 1])
    """
    if images.groups and len(images.groups) != len(images):
        raise UserError(
            "The groups do not match the images.",
            f"There are {len(images.groups)} groups for {len(images)} images.",
            "Give one group per image, an empty text where an image stands alone.",
        )
    names = images.groups or ("",) * len(images)
    first: dict[tuple[str, str], int] = {}
    links = [
        (i, first.setdefault(key, i))
        for i, (picture, name) in enumerate(zip(images.pictures, names, strict=True))
        for key in (("picture", picture.sha256), ("group", group_key(name)))
        if key[1]
    ]
    return linked(links, len(images))


def group_key(name: str) -> str:
    """Return what all spellings of one group have in common: without case, width, composition, spaces and ".0"; "" for no group.

    To take two spellings for one group costs an image or two of the test; to take them for two would test on what was seen.

    Examples
    --------
    >>> {group_key(name) for name in ("Eve", " EVE", "Ｅｖｅ")}, group_key("7.0"), group_key("  ")
    ({'eve'}, '7', '')
    """
    head, rest = name[:MOST_FOLDED], name[MOST_FOLDED:]
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", head).casefold()) + rest
    plain = " ".join(folded.split())
    whole = re.fullmatch(r"([+-]?\d+)\.0+", plain)  # how a column of numbers is written once a cell of it is missing
    return whole[1] if whole else plain


def linked(links: Iterable[tuple[int, int]], n: int) -> Int[np.ndarray, " example"]:
    """Return for each of ``n`` examples the first example it is linked to, directly or through others, int64 (example,)."""
    pairs = np.array(list(links), np.int64).reshape(-1, 2)
    if np.array_equal(pairs[:, 0], pairs[:, 1]):
        return np.arange(n)
    from scipy.sparse import coo_array  # a fifth of a second that sets in which nothing is shared can do without
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    component = connected_components(graph, directed=False)[1]
    first = np.unique(component, return_index=True)[1]
    return first[component].astype(np.int64)


def all_groups(images: LabelledImages) -> tuple[str, ...]:
    """Return the group of each example, "" where none was named."""
    return images.groups or ("",) * len(images)


def merged_groups(images: LabelledImages, pairs: Sequence[tuple[int, int]] = ()) -> tuple[str, ...]:
    """Return ``groups`` in which all examples that belong together carry one name, also those linked by ``pairs`` of examples.

    The name is that of the first example that has one; where none has, "as" and the digest of the first picture, but only for what
    ``pairs`` link: a picture alone needs no name to be one group.
    """
    names = all_groups(images)
    by_now = group_index(images)
    together = linked([*enumerate(by_now.tolist()), *pairs], len(images)).tolist()
    touched = {together[i] for pair in pairs for i in pair}
    called: dict[int, str] = {}
    for group, name in zip(together, names, strict=True):
        if group_key(name):
            called.setdefault(group, name)
    for group in touched:
        called.setdefault(group, f"as {images.pictures[group].sha256[:12]}")
    return tuple(called.get(group, "") for group in together)


def is_single(groups: Int[np.ndarray, " example"] | None) -> bool:
    """Return whether every example is a group of its own; so it is when no groups are given."""
    return groups is None or len(np.unique(groups)) == len(groups)


def n_groups(groups: Int[np.ndarray, " example"]) -> int:
    """Return how many groups there are."""
    return len(np.unique(groups))


def rows_of_groups(rows: Int[np.ndarray, " row"], groups: Int[np.ndarray, " example"]) -> list[np.ndarray]:
    """Return ``rows``, int (row,), group by group: one int array per group that occurs among them."""
    rows = rows[np.argsort(groups[rows], kind="stable")]
    return np.split(rows, np.unique(groups[rows], return_index=True)[1][1:])


def drawn_apart(
    labels: Int[np.ndarray, " example"], groups: Int[np.ndarray, " example"], wanted: Sequence[int], seed: int
) -> Bool[np.ndarray, " example"] | None:
    """Draw whole groups that go to the other side, class by class.

    Parameters
    ----------
    labels : int (example,)
        From 0.
    groups : int (example,)
        From `group_index`.
    wanted : sequence of int
        How many examples of each class go apart, as near as whole groups allow; 0 for none of a class. Of a class with examples
        apart, at least one group stays and at least one goes.
    seed : int

    Returns
    -------
    bool (example,), or None
        Which examples go apart. None when a class has a single group, or no draw was found that leaves every class on both sides.

    Notes
    -----
    Single examples: the first ``wanted`` of a random order of each class. Groups with several classes: the most even of ``TRIES``
    draws, for what is drawn of one class drags examples of others along. Splitting every class is two-colouring a hypergraph, which
    no fast method always solves; where it fails here there is next to no choice.
    """
    rng = np.random.default_rng(seed)
    mixed = len(np.unique(np.stack([groups, labels]), axis=1).T) > n_groups(groups)
    best, best_cost = None, np.inf
    for _ in range(TRIES if mixed else 1):
        apart = _one_draw(labels, groups, wanted, rng)
        counts = [(int(apart[labels == c].sum()), int((labels == c).sum()), want) for c, want in enumerate(wanted)]
        if any(want and not 0 < taken < there for taken, there, want in counts):
            continue
        cost = sum(abs(taken - want) / there for taken, there, want in counts if there)
        if cost < best_cost:
            best, best_cost = apart, cost
    return best


def _one_draw(labels: np.ndarray, groups: np.ndarray, wanted: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    went: set[int] = set()
    decided: set[int] = set()
    for label, want in enumerate(wanted):
        members = groups[labels == label]
        names, sizes = np.unique(members, return_counts=True)
        if not want or len(names) < 2:
            continue
        order = rng.permutation(len(names))
        names, sizes = names[order].tolist(), dict(zip(names[order].tolist(), sizes[order].tolist(), strict=True))
        taken = sum(sizes[name] for name in names if name in went)
        stays = any(name in decided and name not in went for name in names)
        free = [name for name in names if name not in decided]
        for number, name in enumerate(free):
            last_to_stay = number == len(free) - 1 and not stays
            if last_to_stay or (taken and abs(taken + sizes[name] - want) >= abs(taken - want)):
                stays = True
                continue
            went.add(name)
            taken += sizes[name]
        decided.update(names)
    return np.isin(groups, list(went))


def grouped_folds(
    labels: Int[np.ndarray, " example"], groups: Int[np.ndarray, " example"] | None, n_folds: int, seed: int
) -> Int[np.ndarray, " example"]:
    """Return the fold of each example: whole groups, the classes spread as evenly as can be.

    Parameters
    ----------
    labels : int (example,)
    groups : int (example,), optional
        None when nothing is shared.
    n_folds : int
        At most as many as `most_folds` allows, or some fold holds all there is of a class.
    seed : int

    Returns
    -------
    int64 (example,)
        Single examples are dealt in turn, class after class. Groups, the largest first, go where their classes are rarest.
    """
    if is_single(groups):
        return _stratified(labels, n_folds, seed)
    assert groups is not None
    names, group = np.unique(groups, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    held = np.zeros((len(names), len(classes)))
    np.add.at(held, (group, label), 1)
    share = held / held.sum(axis=0)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-held[order].sum(axis=1), kind="stable")]
    filled, fold_of = np.zeros((n_folds, len(classes))), np.zeros(len(names), np.int64)
    for name in order:
        crowd = (filled * share[name]).sum(axis=1)
        fold_of[name] = np.lexsort((filled.sum(axis=1), np.round(crowd, 9)))[0]
        filled[fold_of[name]] += share[name]
    return fold_of[group]


def most_folds(labels: Int[np.ndarray, " example"], groups: Int[np.ndarray, " example"] | None, n_folds: int) -> int:
    """Return how many folds can be made, at most ``n_folds``: what the poorest class has groups; 0 for a single class."""
    group = np.arange(len(labels)) if groups is None else groups
    of_class = [n_groups(group[labels == c]) for c in np.unique(labels)]
    return min(n_folds, *of_class) if len(of_class) > 1 else 0


def _stratified(labels: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Return the fold of each example, int (example,): classes and folds are spread as evenly as can be."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), int)
    fold[order] = np.arange(len(labels)) % n_folds
    return fold


def shuffled_labels(
    labels: Int[np.ndarray, " example"], groups: Int[np.ndarray, " example"] | None, rng: np.random.Generator
) -> Int[np.ndarray, " example"]:
    """Return labels that mean nothing but hang together within groups as the true ones do.

    Parameters
    ----------
    labels : int (example,)
    groups : int (example,), optional
        None when nothing is shared.
    rng : numpy.random.Generator

    Returns
    -------
    int (example,)
        Single examples: a permutation. Groups: each takes over the labels of another one, in a new order, repeated or cut to its
        own size; so where all examples of a group have one label, groups change labels and no group is torn apart.

    Notes
    -----
    What is exchangeable without an effect are the groups, not the examples: with a label per picture and six questions each,
    permuting examples would make luck look rarer than it is. After A. M. Winkler, M. A. Webster, D. Vidaurre, T. E. Nichols and
    S. M. Smith, "Multi-level block permutation", NeuroImage 123 (2015): blocks as wholes, and examples within them. Theirs exchange
    blocks of equal size only; the repeating and cutting is ours, exact where each group has one label. Class sizes may then change.
    """
    if is_single(groups):
        return rng.permutation(labels)
    assert groups is not None
    rows = rows_of_groups(np.arange(len(labels)), groups)
    for _ in range(TRIES):
        shuffled = np.empty_like(labels)
        for own, other in zip(rows, rng.permutation(len(rows)), strict=True):
            shuffled[own] = np.resize(rng.permutation(labels[rows[other]]), len(own))
        if len(np.unique(shuffled)) == len(np.unique(labels)):
            return shuffled
    return rng.permutation(labels)  # a class of one or two examples that keeps being cut away


def one_of_each(groups: Int[np.ndarray, " example"], seed: int) -> Int[np.ndarray, " group"]:
    """Return one example of each group, drawn at random, in ascending order: int64 (group,). All of them when nothing is shared."""
    order = np.random.default_rng(seed).permutation(len(groups))
    return np.sort(order[np.unique(groups[order], return_index=True)[1]])
