"""Rows are written while the next ones are computed, and are all there, or told, when reading ends."""

import threading

import numpy as np
import pytest

from sn_viz.activations.store import WAITING, Store, writing_behind
from sn_viz.errors import UserError


class Slow:
    """A store whose disk waits for a signal, or fails."""

    def __init__(self, error=None):
        self.go, self.error, self.written = threading.Event(), error, []

    def put(self, key, rows):
        self.go.wait(10)
        if self.error is not None:
            raise self.error
        self.written += list(rows)


def rows(name):
    return {name: np.zeros(1, np.float16)}


def test_a_put_returns_before_the_disk_has_written_and_all_is_written_at_the_end():
    slow = Slow()
    with writing_behind(slow) as put:
        for name in "ab"[:WAITING]:
            put("k", rows(name))
        assert slow.written == []
        slow.go.set()
        put("k", rows("c"))
    assert slow.written == ["a", "b", "c"], "in order"


def test_what_was_given_is_written_when_reading_is_stopped(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), writing_behind(store) as put:
        put("k", rows("a"))
        raise KeyboardInterrupt
    assert set(store.get("k", ["a"])) == {"a"}


@pytest.mark.parametrize("n", [1, WAITING + 1])
def test_a_full_disk_is_told_by_a_later_put_or_at_the_end(n):
    slow = Slow(UserError("The activations could not be kept.", "The disk is full.", "Free some space."))
    slow.go.set()
    with pytest.raises(UserError, match="could not be kept"), writing_behind(slow) as put:
        for name in range(n):
            put("k", rows(str(name)))
