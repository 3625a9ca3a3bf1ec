"""No single request holds up another visitor: attacks of at most the allowed size, and what everybody else waits meanwhile."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from PIL import Image
from raw_client import API, Raw, started

pytestmark = pytest.mark.measured
ALLOWED_SECONDS = 1.0
"""What one request may add to what others wait."""
MIB = 2**20
META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with started(tmp_path_factory.mktemp("held up"), SN_VIZ_SESSION_UPLOAD_MB="4000") as running:
        visitor = Raw(running)
        visitor.call(visitor.named("find"), ["presence-dog", None, "", "", 15, 0])
        yield running


class Visitor:
    """Somebody else, who opens the page, looks, clicks, uploads and cancels, again and again."""

    def __init__(self, server) -> None:
        self.raw = Raw(server, "somebody")
        _, said = self.raw.call(self.raw.named("find"), ["presence-dog", None, "", "", 15, 0])
        self.run = json.loads(said)["data"][0]["run"]
        self.small = png(16)

    def acts(self) -> dict[str, Callable[[], int]]:
        raw = self.raw
        cancel = next(each for each in raw.functions.values() if each["api_name"] == "cancel" and not each["queue"])
        return {
            "page": lambda: raw.http.get("/").status_code,
            "click": lambda: raw.call(raw.named("neuron"), [self.run, 0])[0],
            "cached view": lambda: raw.http.get(f"{API}/info").status_code,
            "upload": lambda: raw.upload(("small.png", self.small)).status_code,
            "cancel": lambda: raw.call(cancel, ["nobody's job"] * len(cancel["inputs"]))[0],
        }

    def waits(self, while_running: Callable[[], bool], at_least: int = 3) -> dict[str, float]:
        """Return the longest time of each act, acting until ``while_running`` says no."""
        longest: dict[str, float] = {}
        rounds = 0
        while rounds < at_least or while_running():
            for name, act in self.acts().items():
                start = time.monotonic()
                assert act() == 200, name
                longest[name] = max(longest.get(name, 0.0), time.monotonic() - start)
            rounds += 1
        return longest


def png(side: int, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (side, side)).save(out, "PNG", optimize=True)
    return out.getvalue()


def many_scans(scans: int = 1000) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    out = io.BytesIO()
    Image.effect_noise((1000, 1000), 60).save(out, "JPEG", progressive=True, quality=30)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + b"\xff\xd9"


def zip_of(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def table(label: str, rows: int) -> bytes:
    return "\n".join(json.dumps({"image": f"{i}.png", "label": label}, ensure_ascii=False) for i in range(rows)).encode()


def slow_body(server, pieces: Iterator[bytes], declared: int, path: str, kind: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {declared}\r\n\r\n"
        connection.sendall(head.encode())
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                return
            time.sleep(0.5)


MARK = "\u0301\u0327"
ATTACKS: dict[str, Callable[[Raw, Any], Any]] = {
    "label of combining marks": lambda raw, _: find_in(raw, "x.jsonl", table("a" + MARK * 15_000, 2)),
    "long labels in every row": lambda raw, _: find_in(raw, "x.jsonl", table("a" + MARK * 1_000, 5_000)),
    "a table of one cell": lambda raw, _: find_in(raw, "x.csv", b"image,label\n" + b"x" * 30 * MIB),
    "progressive JPEG of 1,000 scans": lambda raw, _: race(raw, many_scans()),
    "PNG of 13,300 x 13,300": lambda raw, _: race(raw, png(13_300, "1")),
    "zip of 20,000 entries": lambda raw, _: find_in(raw, "x.zip", zip_of({f"{'ab'[i % 2]}/{i}.png": b"" for i in range(19_000)})),
    "zip that inflates": lambda raw, _: find_in(raw, "x.zip", bomb()),
    "form of 1,000 fields": lambda raw, _: raw.http.post(
        f"{API}/upload", files=[(f"f{i}", (None, b"x" * 90_000)) for i in range(999)]
    ),
    "form full of half boundaries": lambda raw, _: raw.http.post(
        f"{API}/upload?upload_id=x", content=half_boundaries(), headers={"content-type": "multipart/form-data; boundary=bound"}
    ),
    "JSON of 190,000 values": lambda raw, _: join(raw, [[0] * 190_000]),
    "JSON of 28,000 values": lambda raw, _: join(raw, [[0] * 28_000]),
    "JSON nested 20 deep, wide": lambda raw, _: join(raw, [json.loads("[" * 20 + "]" * 20)] * 1_350),
    "JSON nested 60 deep, wide": lambda raw, _: join(raw, [json.loads("[" * 60 + "]" * 60)] * 1_500),
    "JSON nested 100,000 deep": lambda raw, _: raw.http.post(f"{API}/queue/join", content=b"[" * 100_000),
    "JSON of 90 MB": lambda raw, _: raw.http.post(f"{API}/queue/join", content=b"[" + b"0," * 45 * MIB + b"0]"),
    "a question of 2 MB": lambda raw, _: ask(raw, "a " * 900_000),
    "a question of combining marks": lambda raw, _: ask(raw, "a" + MARK * 450_000),
    "address of 8 KB": lambda raw, _: raw.http.get("/?" + "x=%41&" * 1_300),
    "address of 60 KB": lambda raw, _: raw.http.get("/?" + "x" * 60_000),
    "a body that never ends": lambda _, server: slow_body(server, iter([b"{"] * 10), 1000, f"{API}/queue/join", "application/json"),
    "an upload that never ends": lambda _, server: slow_body(
        server, iter([b"--b\r\n"] * 10), 10**7, f"{API}/upload", "multipart/form-data; boundary=b"
    ),
    "compressed body": lambda raw, _: raw.http.post(
        f"{API}/queue/join", content=zlib.compress(b" " * 50 * MIB), headers={"content-encoding": "gzip"}
    ),
    "many ranges": lambda raw, _: raw.http.get(
        "/sn-viz/plotly.js", headers={"range": "bytes=" + ",".join(f"{i}-{i}" for i in range(8_000))}
    ),
}


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(40):
            archive.writestr(f"{'ab'[i % 2]}/{i}.png", b"\0" * 30 * MIB)
    return out.getvalue()


def half_boundaries() -> bytes:
    head = b'--bound\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n'
    return head + b"\r\n--boun" * (20 * MIB // 8) + b"\r\n--bound--\r\n"


def upload(raw: Raw, name: str, data: bytes) -> dict[str, Any]:
    return {"path": raw.upload((name, data)).json()[0], "orig_name": name, "meta": META}


def find_in(raw: Raw, name: str, data: bytes) -> None:
    raw.call(raw.named("find"), ["", upload(raw, name, data), "Is it?", "", 5, 0])


def race(raw: Raw, data: bytes) -> None:
    _, said = raw.call(raw.named("find"), ["presence-dog", None, "", "", 15, 0])
    raw.call(raw.named("predict"), [json.loads(said)["data"][0]["run"], upload(raw, "x.png", data), "", "0"])


def join(raw: Raw, data: list[Any]) -> None:
    function = raw.named("neuron")
    raw.call(function, ["x", data])


def ask(raw: Raw, question: str) -> None:
    raw.call(raw.named("find"), ["presence-dog", None, question, "", 5, 0])


@pytest.mark.parametrize("attack", ATTACKS)
def test_one_request_delays_nobody_else(server, attack):
    assert unicodedata.combining(MARK[0])
    visitor, attacker = Visitor(server), Raw(server, "attacker")
    usual = visitor.waits(lambda: False, at_least=4)

    def attacking() -> None:
        with suppress(httpx.HTTPError, json.JSONDecodeError, KeyError, IndexError):  # refused, or cut off
            ATTACKS[attack](attacker, server)

    thread = threading.Thread(target=attacking)
    thread.start()
    seen = visitor.waits(thread.is_alive)
    thread.join()
    late = {name: round(seconds - usual[name], 2) for name, seconds in seen.items() if seconds - usual[name] > ALLOWED_SECONDS}
    print(attack, {name: f"{usual[name]:.2f} -> {seconds:.2f}" for name, seconds in seen.items()})
    assert not late, f"{attack} delayed others by {late} s"
