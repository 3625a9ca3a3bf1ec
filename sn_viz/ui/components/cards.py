"""A visitor's own pictures on class cards: names, pictures, recordings; every change can be undone and made again.

Takes uploaded files by path and what is done with them; returns new ``Cards``, nothing is changed in place. It opens no file and
knows nothing of widgets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from sn_viz.errors import UserError
from sn_viz.sources.text import label_key, quoted

MAX_CLASSES, FEWEST_CLASSES = 6, 2
NAMES = ("yes", "no", "class 3", "class 4", "class 5", "class 6")
MAX_NAME = 80
MAX_SHOTS = 20_000
MAX_UNDO = 100
FEW = 10
"""With fewer pictures of a class, chance has much of the say."""
MAX_IMBALANCE = 3
"""From so many times the pictures of the smallest class on, the cards say that they are unbalanced."""


class Shot(NamedTuple):
    """One picture on a card."""

    path: str
    """Of the uploaded file; the server keeps it under a digest of its content."""
    name: str
    group: str = ""
    """What it belongs together with: one recording of the webcam."""

    @property
    def content(self) -> str:
        """Digest of the file's bytes."""
        return Path(self.path).parent.name


class Card(NamedTuple):
    """One class."""

    id: int
    """Stays when the card is renamed, or another is removed."""
    name: str
    shots: tuple[Shot, ...] = ()
    again: tuple[Shot, ...] = ()
    """Recorded a second time, to test on."""


@dataclass(frozen=True)
class Cards:
    """All class cards, what they were before, and what was undone."""

    cards: tuple[Card, ...] = (Card(1, NAMES[0]), Card(2, NAMES[1]))
    past: tuple[tuple[Card, ...], ...] = ()
    """Oldest first."""
    future: tuple[tuple[Card, ...], ...] = ()
    """What was undone last stands last."""
    asks_again: frozenset[int] = frozenset()
    """Cards that ask for a second recording."""
    of_one_step: str = ""
    """Names the step that the last change belonged to: further ones of the same step are undone with it."""

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # nothing in it can be changed

    def __len__(self) -> int:
        return len(self.cards)

    def _changed(self, cards: Iterable[Card], step: str = "") -> Self:
        cards = tuple(cards)
        if cards == self.cards:
            return self
        same = bool(step) and step == self.of_one_step
        past = self.past if same else (*self.past, self.cards)[-MAX_UNDO:]
        return replace(self, cards=cards, past=past, future=(), of_one_step=step)

    def _at(self, card: object) -> int:
        index = next((i for i, one in enumerate(self.cards) if one.id == card), None)
        if index is None:
            raise UserError(
                "This class is not there.", "It was removed, or the page is older than the set.", "Choose another card."
            )
        return index

    def _with(self, index: int, step: str = "", **more: Any) -> Self:
        return self._changed((one._replace(**more) if i == index else one for i, one in enumerate(self.cards)), step)

    def add(self, card: object, shots: Sequence[Shot], again: bool = False, step: str = "") -> Self:
        """Return these cards with ``shots`` on ``card``; those that lie there already change nothing.

        ``again`` puts them among the second recordings. Calls of one ``step``, as the batches of one upload, are one undo.
        """
        index = self._at(card)
        there = self.cards[index].again if again else self.cards[index].shots
        new = [shot for shot in dict.fromkeys(shots) if shot not in set(there)]
        if sum(len(one.shots) + len(one.again) for one in self.cards) + len(new) > MAX_SHOTS:
            raise UserError("There are too many pictures.", f"At most {MAX_SHOTS:,} are taken in one set.", "Remove some first.")
        return self._with(index, step, **{"again" if again else "shots": (*there, *new)})

    def card_called(self, name: str, step: str = "") -> tuple[Self, int]:
        """Return these cards with one called ``name``, and its id: that one, an empty one that nobody named, or a new one."""
        name = clean_name(name)
        key = label_key(name)
        found = next((one.id for one in self.cards if label_key(one.name) == key), None)
        if found is not None:
            return self, found
        free = next((i for i, one in enumerate(self.cards) if not one.shots and not one.again and one.name in NAMES), None)
        if free is not None:
            return self._with(free, step, name=name), self.cards[free].id
        more = self.append(step)
        return more._with(len(more) - 1, step, name=name), more.cards[-1].id

    def rename(self, card: object, name: str) -> Self:
        """Return these cards with ``card`` called ``name``; its pictures stay."""
        return self._with(self._at(card), name=clean_name(name))

    def append(self, step: str = "") -> Self:
        """Return these cards and an empty one."""
        if len(self.cards) >= MAX_CLASSES:
            cause = f"The page has cards for {MAX_CLASSES} classes."
            raise UserError("There is no room for another class.", cause, "Put more classes into a zip, one folder per class.")
        taken = {label_key(one.name) for one in self.cards}
        name = next(name for name in (*NAMES[len(self.cards) :], *NAMES) if label_key(name) not in taken)
        number = max((one.id for state in (self.cards, *self.past, *self.future) for one in state), default=0) + 1
        return self._changed((*self.cards, Card(number, name)), step)

    def without(self, card: object) -> Self:
        """Return these cards without one of them and its pictures."""
        index = self._at(card)
        if len(self.cards) <= FEWEST_CLASSES:
            cause = f"It takes at least {FEWEST_CLASSES} classes to tell apart."
            raise UserError("This class was not removed.", cause, "Rename it, or remove its pictures.")
        return self._changed(one for i, one in enumerate(self.cards) if i != index)

    def move(self, paths: Iterable[str], to: object) -> Self:
        """Return these cards with the pictures at ``paths`` on the card ``to``; a second recording stays one."""
        target, wanted = self._at(to), set(paths)
        cards = []
        for i, one in enumerate(self.cards):
            kept = one
            for kind in ("shots", "again"):
                there = getattr(one, kind)
                if i == target:
                    others = [s for o in self.cards if o.id != one.id for s in getattr(o, kind) if s.path in wanted]
                    kept = kept._replace(**{kind: tuple(dict.fromkeys((*there, *others)))})
                else:
                    kept = kept._replace(**{kind: tuple(shot for shot in there if shot.path not in wanted)})
            cards.append(kept)
        return self._changed(cards)

    def remove(self, paths: Iterable[str], card: object) -> Self:
        """Return these cards without the pictures at ``paths`` on ``card``."""
        index, gone = self._at(card), set(paths)
        one = self.cards[index]
        return self._with(
            index,
            shots=tuple(shot for shot in one.shots if shot.path not in gone),
            again=tuple(shot for shot in one.again if shot.path not in gone),
        )

    def undo(self) -> Self:
        """Return the cards before the last step; these, when there is none."""
        if not self.past:
            return self
        return replace(
            self,
            cards=self.past[-1],
            past=self.past[:-1],
            future=(*self.future, self.cards),
            asks_again=frozenset(),
            of_one_step="",
        )

    def redo(self) -> Self:
        """Return the cards after the step that was undone last; these, when there is none."""
        if not self.future:
            return self
        return replace(self, cards=self.future[-1], past=(*self.past, self.cards), future=self.future[:-1], of_one_step="")

    def asking_again(self, names: Iterable[str]) -> Self:
        """Return these cards with those called ``names`` asking for a second recording."""
        keys = {label_key(name) for name in names}
        return replace(self, asks_again=frozenset(one.id for one in self.cards if label_key(one.name) in keys))

    def notes(self) -> dict[int, list[str]]:
        """Return what stands in the way of a good result, by card: sentences that say what to do."""
        return {one.id: [*self._doubles(one), *self._small(one)] for one in self.cards}

    def _doubles(self, card: Card) -> list[str]:
        here, said = Counter(shot.content for shot in (*card.shots, *card.again)), []
        if twice := sum(count - 1 for count in here.values()):
            said.append(f"{_pictures(twice)} {'are' if twice > 1 else 'is'} here more than once. Each counts once; nothing to do.")
        for other in self.cards:
            both = here.keys() & {shot.content for shot in (*other.shots, *other.again)} if other.id != card.id else set()
            if both:
                where = "one" if len(both) == 1 else "each"
                said.append(f"{_pictures(len(both))} also on the card {quoted(other.name)}: take {where} off one of the two cards.")
        return said

    def _small(self, card: Card) -> list[str]:
        mine, most = len(card.shots), max(self.cards, key=lambda one: len(one.shots))
        if not mine or not all(one.shots for one in self.cards):
            return []
        if len(most.shots) > MAX_IMBALANCE * mine:
            many = f"{_pictures(len(most.shots))} of {quoted(most.name)}"
            return [f"Unbalanced: {_pictures(mine)} here, {many}. Add some here, or remove some there."]
        if mine < FEW:
            return [f"Only {_pictures(mine)}: with fewer than {FEW}, chance has much of the say. Add some."]
        return []


def clean_name(name: object) -> str:
    """Return the name of a class, without needless spaces.

    Raises
    ------
    UserError
        When it is empty or no text.
    """
    said = " ".join(name.split())[:MAX_NAME] if isinstance(name, str) else ""
    if not label_key(said):
        raise UserError("The class has no name.", "Its field is empty.", "Write one, such as: ripe.")
    return said


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"
