"""A fair share of the machine for everyone."""

from __future__ import annotations

import os
import threading
import time

import pytest

from sn_viz.errors import UserError
from sn_viz.ui.server import quotas as share
from sn_viz.ui.server.quotas import MIB, Arrivals, Limits, Turns, Uploads


def turns(**more: int) -> Turns:
    return Turns(lambda: Limits(**more))


def served(desk: Turns, tickets: dict) -> str:
    """Serve every ticket, one after the other; returns whose turn it was, in order."""
    order = ""
    while tickets:
        ticket = next(ticket for ticket in tickets if desk.take(ticket, 0))
        order += tickets.pop(ticket)
        desk.leave(ticket)
    return order


def test_a_flood_of_one_visitor_delays_the_others_by_one_job():
    desk = turns(jobs=9)
    tickets = {desk.ask(name): name for name in "aaaaabcb"}
    assert served(desk, tickets) == "abcabaaa"


def test_newcomers_do_not_starve_a_visitor_with_a_second_job():
    desk = turns(jobs=9)
    first, second = desk.ask("a"), desk.ask("a")
    newcomers = [desk.ask(f"new {i}") for i in range(3)]
    assert desk.take(first, 0)
    desk.leave(first)
    for i, ticket in enumerate(newcomers):
        assert desk.take(ticket, 0) and desk.ahead(second) == 1 + (2 - i)
        desk.leave(ticket)
    assert desk.take(second, 0)
    latest = desk.ask("yet another")
    assert desk.ahead(latest) == 1
    desk.leave(second)
    assert desk.take(latest, 0)


def test_too_many_jobs_of_one_visitor_are_refused_in_a_sentence():
    desk = turns(jobs=2)
    running = desk.ask("a")
    assert desk.take(running, 0) and desk.ask("a")
    with pytest.raises(UserError, match="You already have 2 jobs here. At most 2 of one visitor"):
        desk.ask("a")
    assert desk.ask("b")
    desk.leave(running)
    assert desk.ask("a")


def test_a_full_queue_says_so_and_the_server_itself_is_let_in():
    desk = turns(queue=2)
    desk.ask("a"), desk.ask("b")
    with pytest.raises(UserError, match="The server is busy. 2 jobs are waiting"):
        desk.ask("c")
    assert desk.ask()


def test_who_leaves_while_waiting_frees_the_place():
    desk = turns(queue=1)
    first = desk.ask("a")
    desk.leave(first)
    with desk.turn("b"):
        assert not desk.is_free()
    assert desk.is_free()


def test_one_at_a_time_whatever_happens_inside():
    desk, inside, most = turns(queue=99), [], []

    def job(name: str) -> None:
        try:
            with desk.turn(name):
                inside.append(name)
                most.append(len(inside))
                time.sleep(0.002)
                inside.remove(name)
                raise KeyError
        except KeyError:
            pass

    threads = [threading.Thread(target=job, args=[str(i % 7)]) for i in range(21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == [1] * 21 and desk.is_free()


def test_bytes_of_one_visitor_are_bounded_and_a_file_counts_once(tmp_path):
    big, small = tmp_path / "big", tmp_path / "small"
    big.write_bytes(b"x" * MIB)
    small.write_bytes(b"x")
    uploads = Uploads(lambda: Limits(upload_mib=1))
    uploads.count("a", [big, big])
    uploads.count("a", [big])
    with pytest.raises(UserError, match="2 MB together"):
        uploads.count("a", [small])
    uploads.count("b", [big])


def test_old_files_no_longer_count(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(b"x" * MIB)
    (tmp_path / "other").write_bytes(b"x" * MIB)
    forgets, remembers = (Uploads(lambda: Limits(upload_mib=1), seconds=seconds) for seconds in (0.0, 3600.0))
    for uploads in (forgets, remembers):
        uploads.count("a", [big])
    forgets.count("a", [tmp_path / "other"])
    with pytest.raises(UserError, match="too much for one visitor"):
        remembers.count("a", [tmp_path / "other"])


def test_the_visitor_who_sent_files_longest_ago_is_forgotten_first(tmp_path, monkeypatch):
    monkeypatch.setattr(share, "REMEMBERED_VISITORS", 2)
    big, small = tmp_path / "big", tmp_path / "small"
    big.write_bytes(b"x" * MIB)
    small.write_bytes(b"x")
    uploads = Uploads(lambda: Limits(upload_mib=1))
    for owner in ("a", "b", "a", "c"):
        uploads.count(owner, [big])
    uploads.count("b", [small])
    with pytest.raises(UserError, match="2 MB together"):
        uploads.count("c", [small])


def test_limits_come_from_the_environment(monkeypatch):
    read = share.limits.__wrapped__
    for name, value in (("SN_VIZ_QUEUE", "5"), ("SN_VIZ_SESSION_RUNS", " 2 "), ("SN_VIZ_SESSION_JOBS", "")):
        monkeypatch.setenv(name, value)
    assert read() == Limits(queue=5, runs=2)
    monkeypatch.setenv("SN_VIZ_QUEUE", "many")
    with pytest.raises(UserError, match="SN_VIZ_QUEUE was not understood"):
        read()


def test_what_arrives_is_counted_by_visitor_by_address_and_on_the_disk(tmp_path):
    arrivals = Arrivals(lambda: tmp_path, lambda: Limits(upload_mib=1, disk_mib=4), look_seconds=0.0)
    arrivals.take("a", "here", MIB)
    with pytest.raises(UserError, match="At most 1 MB are taken from one visitor"):
        arrivals.take("a", "here", 1)
    arrivals.take("b", "here", MIB)
    with pytest.raises(UserError, match="At most 2 MB"):
        arrivals.take("c", "here", 1)
    arrivals.take("c", "there", MIB)
    (tmp_path / "of others").write_bytes(b"x" * 4 * MIB)
    with pytest.raises(UserError, match="no room for more files"):
        arrivals.take("d", "elsewhere", 1)


def test_what_arrived_long_ago_counts_no_longer_and_forgotten_files_go(tmp_path):
    arrivals = Arrivals(lambda: tmp_path, lambda: Limits(upload_mib=1, disk_mib=2), seconds=0.0, look_seconds=0.0)
    broken_off = tmp_path / "tmpabc"
    broken_off.write_bytes(b"x" * 2 * MIB)
    with pytest.raises(UserError, match="no room"):
        arrivals.take("a", "here", MIB)
    old = time.time() - 2 * share.KEPT_LONGER_SECONDS
    os.utime(broken_off, (old, old))
    arrivals.take("a", "here", MIB)
    assert not broken_off.exists()
    time.sleep(0.01)
    arrivals.take("a", "here", MIB)


def test_with_two_turns_at_once_nobody_holds_both():
    desk = Turns(Limits, at_once=2)
    slow, again, other = desk.ask("a"), desk.ask("a"), desk.ask("b")
    assert desk.take(slow, 0) and not desk.take(again, 0), "one visitor's files are read one after the other"
    assert desk.take(other, 0) and not desk.take(again, 0)
    desk.leave(slow)
    assert desk.take(again, 0)
    desk.leave(again)
    desk.leave(other)
    assert desk.is_free()
