"""Keys in the page, values on the server, bounded."""

from __future__ import annotations

import pytest

from sn_viz.errors import JustForgotten, UserError
from sn_viz.ui.server import session
from sn_viz.ui.server.session import Shelf


def test_the_least_recently_used_leaves_first():
    shelf = Shelf("thing", 10, len)
    first, second = shelf.put("aaaa"), shelf.put("bbbb")
    shelf.get(first)
    shelf.put("cccc")
    assert shelf.find(second) is None and shelf.get(first) == "aaaa" and len(shelf) == 2


def test_one_large_value_is_kept_alone():
    shelf = Shelf("thing", 3, len)
    shelf.put("aa")
    key = shelf.put("x" * 50)
    assert len(shelf) == 1 and shelf.get(key)


@pytest.mark.parametrize("forged", ["", "../../etc/passwd", None, 3, ["a"], {"a": 1}])
def test_a_forged_key_reads_nothing_and_says_what_to_do(forged):
    with pytest.raises(UserError, match="run it again"):
        Shelf("result", 3, len).get(forged)


def test_keys_cannot_be_guessed():
    shelf = Shelf("thing", 10**6, len)
    keys = {shelf.put("a") for _ in range(100)}
    assert len(keys) == 100 and min(map(len, keys)) >= 20


def test_one_visitor_takes_no_room_of_another_and_shared_values_have_no_owner():
    shelf = Shelf("thing", 10**6, len, lambda: 2)
    shared, hers = [shelf.put("s") for _ in range(5)], shelf.put("h", owner="her")
    his = [shelf.put("x", owner="him") for _ in range(4)]
    assert [shelf.find(key) is not None for key in his] == [False, False, True, True]
    assert shelf.find(hers) and all(shelf.find(key) for key in shared)


def test_what_its_owner_had_forgotten_is_another_loss_than_what_made_room_but_only_for_a_moment(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(session.time, "monotonic", lambda: clock[0])
    shelf = Shelf("result", 4, len)
    forgotten, crowded = shelf.put("aaaa"), None
    assert shelf.drop_all({forgotten}.__contains__) == ["aaaa"]
    crowded = shelf.put("bbbb")
    shelf.put("cccc")
    for key in (forgotten, f"{forgotten}{session.FILLS}3"):
        with pytest.raises(JustForgotten):
            shelf.get(key)
    with pytest.raises(UserError) as told:
        shelf.get(crowded)
    assert not isinstance(told.value, JustForgotten)
    clock[0] += session.UNDER_WAY_SECONDS
    with pytest.raises(UserError) as later:
        shelf.get(forgotten)
    assert not isinstance(later.value, JustForgotten)
