"""What the fuzzer feeds: one file for each kind of input from outside, under the name users type.

A target is made once, around a folder to work in, and then called with a random generator for every try: it draws an input, hands
it to the package as a user would, and lets whatever is raised through. A ``UserError`` is a sound refusal; anything else is a
fault.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.registry import Registry

Try = Callable[[np.random.Generator], None]
TARGETS: Registry[Callable[[Path], Try]] = Registry("fuzz target", __name__)

NASTY = (
    *("", " ", "\0", "../../etc/passwd", "/etc/passwd", "C:\\con", "con", "a/b", "~", "file:///etc/passwd", "http://127.0.0.1/"),
    *("<img src=x onerror=alert(1)>", "=cmd()", "%{x}", "${x}", "{question}", "\u202e", "e\u0301" * 40, "\ud800", "🐶", "ﷺ" * 30),
    *("NaN", "inf", "-1", "1e999", "9" * 400, "٣", "yes", "no", "not a dog", "isn’t", "None", "true", "0", "'; drop table", "\r\n"),
)
"""Texts that have broken programs before."""


def text(rng: np.random.Generator, most: int = 60) -> str:
    """Return a text: one of the nasty ones, letters of any script, or both."""
    if rng.random() < 0.4:
        return NASTY[rng.integers(len(NASTY))]
    highest = (127, 0x250, 0x3000, 0x110000)[rng.integers(4)]
    letters = "".join(map(chr, rng.integers(0, highest, rng.integers(0, most))))
    return letters if rng.random() < 0.8 else letters + NASTY[rng.integers(len(NASTY))]


def anything(rng: np.random.Generator, depth: int = 3) -> Any:
    """Return any value that JSON can say, and some that Python's reader of JSON accepts beyond."""
    kind = rng.integers(12 if depth else 9)
    if kind >= 9:
        n = int(rng.integers(0, 4))
        inner = [anything(rng, depth - 1) for _ in range(n)]
        return inner if kind == 9 else {text(rng, 8): value for value in inner}
    plain = (None, True, False, text(rng), int(rng.integers(-3, 40)), float(rng.normal()), 10 ** int(rng.integers(1, 420)))
    return (*plain, float("nan"), -float("inf"))[kind]


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return ``data`` with a few bytes flipped, cut, doubled, moved, or overwritten with numbers that mean much."""
    some = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not some:
            return bytes(some)
        at, length = int(rng.integers(len(some))), int(rng.integers(1, 64))
        way = rng.integers(7)
        if way == 0:
            some[at] ^= 1 << int(rng.integers(8))
        elif way == 1:
            del some[at : at + length]
        elif way == 2:
            some[at:at] = some[at : at + length] * int(rng.integers(1, 20))
        elif way == 3:
            some[at : at + length] = rng.bytes(length)
        elif way == 4:
            numbers = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"\0\0\0\1", b"\xff\xff")
            some[at : at + 4] = numbers[rng.integers(len(numbers))]
        elif way == 5:
            del some[at:]
        else:
            other = int(rng.integers(len(some)))
            some[at : at + length] = some[other : other + length]
    return bytes(some)
