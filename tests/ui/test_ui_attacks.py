"""Attacks on a really launched server, performed over HTTP: refused in a sentence, and nothing is read."""

from __future__ import annotations

import io
import os
import re
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image
from raw_client import API, Listener, Raw, Watch, has_reader, started

pytestmark = pytest.mark.long

REFUSAL = "It was not uploaded to this page, or is here no longer."
DOORS = {"image", "file"}
META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    limits = {"SN_VIZ_SESSION_UPLOAD_MB": "12", "SN_VIZ_UPLOADS_MB": "40"}
    with started(tmp_path_factory.mktemp("attacked"), **limits) as running:
        yield running
        assert "Traceback" not in running.log, "no attack leaves a trace in the log"


@pytest.fixture(scope="module")
def client(server) -> Raw:
    return Raw(server)


@pytest.fixture(scope="module")
def outside(tmp_path_factory, server):
    """A folder that is none of the visitors' business, watched; and a web server that nobody should come to."""
    folder = tmp_path_factory.mktemp("outside")
    secret, pipe, listener = folder / "secret.png", folder / "pipe.png", Listener()
    Image.new("RGB", (32, 32), "red").save(secret)
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    os.mkfifo(pipe)
    server.uploads.mkdir(exist_ok=True)
    link, inner_pipe = server.uploads / "link.png", server.uploads / "pipe.png"
    link.symlink_to(secret)
    os.mkfifo(inner_pipe)
    watch = Watch(folder)
    yield SimpleNamespace(folder=folder, secret=secret, pipe=pipe, link=link, inner_pipe=inner_pipe, watch=watch, listener=listener)
    listener.close()


@pytest.fixture(scope="module")
def files(outside, server) -> list[dict[str, Any]]:
    """Hostile file data: every kind of path, as every kind of object."""
    paths = [
        str(outside.secret),
        str(outside.folder / "missing.png"),
        str(outside.pipe),
        str(outside.link),
        str(outside.inner_pipe),
        f"{server.uploads}/../{outside.folder.name}/secret.png",
        f"/uploads/../../{outside.folder.name}/secret.png",
        str(server.uploads),
        str(outside.folder),
        "/dev/zero",
        "/proc/self/environ",
        f"http://127.0.0.1:{outside.listener.port}/x.png",
        f"https://127.0.0.1:{outside.listener.port}/x.png",
        f"file://{outside.secret}",
        f"//{outside.folder}/secret.png",
        "\\\\server\\share\\x.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "relative.png",
        "assets/page/page.js",
        "~/.bashrc",
        "x\0.png",
        "x" * 9000,
        "",
    ]
    made: list[dict[str, Any]] = []
    for path in paths:
        made += [{"path": path, "orig_name": "x.png"}, {"path": path, "orig_name": "x.svg", "meta": META}]
    here = str(outside.secret)
    return [
        *made,
        {"path": here, "meta": META, "is_stream": True, "url": here},
        {"path": here, "meta": {"_type": "other"}, "mime_type": "image/svg+xml", "url": f"{API}/file={here}"},
        {"url": f"http://127.0.0.1:{outside.listener.port}/x.png", "meta": META},
        {"path": None, "url": f"http://127.0.0.1:{outside.listener.port}/y.png"},
        {"path": [here], "meta": META},
        {"path": {"path": here, "meta": META}, "meta": META},
    ]


def shapes(kind: str, file: dict[str, Any]) -> list[Any]:
    """Return ``file`` in every shape in which a component of this kind might look for it."""
    if kind == "image":
        return [file, {**file, "image": file}]
    if kind == "file":
        return [file, [file], [[file]]]
    return [file, [file], {"value": file}, {"a": [{"b": file}]}]


def assert_untouched(outside) -> None:
    assert not outside.watch.touched(), "nothing outside the upload folder is opened"
    assert not has_reader(outside.pipe) and not has_reader(outside.inner_pipe), "no pipe is waited at"
    assert outside.listener.visits == 0, "no address is fetched"


def test_every_function_refuses_every_file_that_was_not_uploaded_in_every_input(client, files, outside):
    answers: dict[str, set[str]] = {}
    count, asked = 0, 0
    for function in client.functions.values():
        public = function["api_visibility"] == "public"
        for place, component in enumerate(function["inputs"]):
            kind = client.kind(component)
            all_of_them = [shape for file in files for shape in shapes(kind, file)]
            step = 1 if public and kind in DOORS else len(all_of_them) // 2 + 1
            for sent in all_of_them[count % step :: step]:
                data = client.defaults(function)
                data[place] = sent
                status, said = client.call(function, data)
                asked += 1
                assert status in (200, 500) and REFUSAL in said, (function["api_name"], kind, sent, status, said[:300])
                answers.setdefault(kind, set()).add(re.sub(r'"(duration|average_duration)": ?[\d.e-]+', "", said))
            count += 1
    assert_untouched(outside)
    assert asked > 1000 and answers.keys() >= DOORS
    for kind in DOORS:
        assert len({REFUSAL in said and said.find("error") for said in answers[kind]}) <= 2, "one answer, whatever is there"


def test_every_way_to_call_a_function_refuses_alike(client, files, outside):
    function = client.named("predict")
    for file in files[::4]:
        data = ["a run", file, "Is it red?", "0", *client.defaults(function)[4:]]
        event = client.http.post(f"{API}/call/predict", json={"data": data}).json()["event_id"]
        with client.http.stream("GET", f"{API}/call/predict/{event}") as stream:
            assert REFUSAL in "".join(stream.iter_text())
        direct = client.http.post(f"{API}/run/predict", json={"fn_index": function["id"], "data": data})
        assert direct.status_code == 404 and "queue" in direct.text
        v2 = {"run": "x", "image": file, "question": "", "exit_layer": "0"}
        answer = client.http.post(f"{API}/call/v2/predict", json=v2)
        if answer.status_code == 200:
            with client.http.stream("GET", f"{API}/call/v2/predict/{answer.json()['event_id']}") as stream:
                assert REFUSAL in "".join(stream.iter_text())
    assert_untouched(outside)


def test_files_are_served_from_the_upload_folder_only_and_the_answer_tells_nothing(client, files, outside):
    seen = set()
    for path in [str(file["path"]) for file in files if isinstance(file.get("path"), str)] + [
        f"{outside.folder}/drawing.svg",
        f"..%2f..{outside.secret}",
        f"%252e%252e{outside.secret}",
    ]:
        for route in (f"{API}/file=", f"{API}/file/"):
            try:
                answer = client.http.get(f"{route}{path}"[:5000])
            except (httpx.InvalidURL, httpx.UnsupportedProtocol):
                continue  # no client can say it
            seen.add((answer.status_code, answer.text))
    assert {status for status, _ in seen} <= {404, 414} and len(seen) <= 3, seen
    assert_untouched(outside)


def test_what_was_uploaded_is_taken_and_its_place_on_the_server_is_not_told(client, server, outside):
    picture = io.BytesIO()
    Image.new("RGB", (40, 40), "blue").save(picture, "PNG")
    (path,) = client.upload(("../../blue.png", picture.getvalue())).json()
    assert path.startswith("/uploads/") and str(server.folder) not in path
    assert client.http.get(f"{API}/file={path}").content == picture.getvalue()
    _, said = client.call(client.named("predict"), ["no such run", {"path": path, "meta": META}, "", "0"])
    assert "This result is no longer here" in said and REFUSAL not in said
    _, said = client.call(client.named("find"), ["", {"path": path, "meta": META}, "Is it?", "", 5, 0])
    assert "'blue.png' holds no labelled images" in said and str(server.folder) not in said


def test_a_large_picture_is_not_decoded_before_the_door(client, server):
    bomb = io.BytesIO()
    Image.new("1", (13_300, 13_300)).save(bomb, "PNG", optimize=True)
    (path,) = client.upload(("bomb.png", bomb.getvalue())).json()
    before = memory_mib(server, peak_from_now=True)
    _status, said = client.call(client.named("predict"), ["no such run", {"path": path, "meta": META}, "", "0"])
    assert "This result is no longer here" in said
    assert memory_mib(server) - before < 150, "its pixels would take 500 MB as RGB"


def memory_mib(server, peak_from_now: bool = False) -> int:
    """Return the highest memory of the server so far, or since the last call that began to count anew."""
    process = Path(f"/proc/{server.process.pid}")
    if peak_from_now:
        (process / "clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", (process / "status").read_text())[1]) // 1024


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "10.0.0.1", "[::2]", "127.1", "x@localhost", ""],
)
def test_another_host_is_refused_before_gradio_sees_it(client, host):
    for method, path in (
        ("GET", "/"),
        ("GET", "/config"),
        ("GET", f"{API}/heartbeat/x"),
        ("POST", f"{API}/queue/join"),
        ("OPTIONS", "/"),
    ):
        answer = client.http.request(method, path, headers={"host": host, "origin": f"http://{host}"})
        assert answer.status_code in (400, 421) and "access-control-allow-origin" not in answer.headers, (host, method, path)
    for forwarded in ("x-forwarded-host", "forwarded", "x-gradio-server"):
        value = "host=localhost" if forwarded == "forwarded" else "localhost"
        assert client.http.get("/", headers={"host": "evil.example", forwarded: value}).status_code == 421


def test_own_hosts_are_answered_and_forwarded_ones_do_not_count(client, server):
    for host in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST", "localhost."):
        assert client.http.get("/config", headers={"host": f"{host}:{server.port}"}).status_code == 200, host
    told = client.http.get("/config", headers={"x-forwarded-host": "evil.example", "x-gradio-server": "http://evil.example"})
    assert told.status_code == 200 and "evil.example" not in told.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1", "file://", "http://[::1"]
)
def test_another_origin_is_refused(client, origin):
    for method, path in (("GET", "/config"), ("POST", f"{API}/queue/join"), ("POST", f"{API}/upload"), ("OPTIONS", "/config")):
        answer = client.http.request(method, path, headers={"origin": origin, "access-control-request-method": "POST"})
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    own = {"origin": str(client.http.base_url).rstrip("/")}
    assert client.http.get("/config", headers=own).status_code == 200


def test_a_function_or_component_that_does_not_exist_is_the_askers_fault(client, server):
    for index in (-1, 10**9, 10**30, "0", 1.5, True, None, [], {}):
        for route in ("queue/join", "run/predict", "api/nothing", "run/-1"):
            answer = client.http.post(f"{API}/{route}", json={"fn_index": index, "data": [], "session_hash": "a"})
            assert 400 <= answer.status_code < 500 and answer.text, (index, route, answer.status_code)
    function = client.functions[min(client.functions)]
    n = len(function["inputs"])
    for wrong in (
        {"data": [None] * (n + 1)},
        {"data": "x"},
        {},
        {"data": [None] * n, "trigger_id": -7},
        {"data": [None] * n, "trigger_id": "x"},
        {"data": [None] * n, "session_hash": "x" * 5000},
        {"data": [None] * n, "batched": True},
    ):
        answer = client.http.post(f"{API}/queue/join", json={"fn_index": function["id"], "session_hash": "a", **wrong})
        assert 400 <= answer.status_code < 500, wrong
    for route in ("call/nothing", "call/v2/nothing", "component_server", "stream/x", "process_recording", "vibe-edit"):
        answer = client.http.post(f"{API}/{route}", json={"data": [], "component_id": 10**9, "session_hash": "a", "fn_name": "x"})
        assert 400 <= answer.status_code < 500, route
    for route in (
        "queue/data?session_hash=nobody",
        "call/predict/nothing",
        "custom_component/x/server/a/b",
        "proxy=http://a/",
        "stream/a/1/1/playlist.m3u8",
    ):
        client.http.get(f"{API}/{route}")
    for body in (b"", b"null", b"[]", b"{", b"\xff", b'{"data":' + b"[" * 90 + b"]" * 90 + b"}"):
        answer = client.http.post(f"{API}/queue/join", content=body, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, body[:10]
    assert "Traceback" not in server.log and "Exception in ASGI" not in server.log


def test_what_a_visitor_gets_names_no_folder_of_the_server(client, server):
    for path in (
        "/",
        "/config",
        f"{API}/info",
        f"{API}/openapi.json",
        f"{API}/app_id",
        "/manifest.json",
        "/theme.css",
        f"{API}/nothing",
    ):
        answer = client.http.get(path)
        told = answer.text + str(answer.headers)
        for folder in (str(server.folder), str(Path(__file__).parents[2]), sys.prefix, str(Path.home()) + "/"):
            assert folder not in told, (path, folder)


def bytes_on_disk(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_uploads_are_counted_when_they_arrive_by_visitor_by_address_and_altogether(server):
    def sent(visitor: httpx.Client, number: int, chunked: bool = False) -> httpx.Response:
        data = number.to_bytes(4, "big") + b"x" * 2**20
        if not chunked:
            return visitor.post(f"{API}/upload", files=[("files", (f"{number}.png", data))])
        head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n'
        pieces = iter([head, data, b"\r\n--b--\r\n"])
        return visitor.post(f"{API}/upload", content=pieces, headers={"content-type": "multipart/form-data; boundary=b"})

    def visitor(with_cookie: bool) -> httpx.Client:
        made = httpx.Client(base_url=server.address, timeout=60)
        if with_cookie:
            made.get("/")
        return made

    nobody, somebody = visitor(False), visitor(True)
    answers = [sent(nobody, i, chunked=i % 2 == 1) for i in range(14)]
    assert answers[0].status_code == 200 and answers[-1].status_code == 413
    assert "At most 12 MB are taken from one visitor in an hour" in answers[-1].text
    assert sent(somebody, 100).status_code == 200, "another visitor's share is untouched"
    forged = httpx.Client(base_url=server.address, cookies={"sn_viz_visitor": f"{'0' * 32}.{'0' * 32}"}, timeout=60)
    assert sent(forged, 101).status_code == 413, "a cookie of one's own making is none"
    many = [sent(visitor(True), 200 + i) for i in range(24)]
    assert many[-1].status_code == 413 and "At most 20 MB" in many[-1].text, "an address fills half of the disk's share"
    assert bytes_on_disk(server.uploads) <= 21 * 2**20


def exported(client: Raw) -> str:
    """Open the page, whose first pack has been run, and export it; returns the texts of the export."""
    opened, bundle = client.named("open_page"), client.named("bundle")
    client.call(opened, [])
    _, said = client.call(bundle, [None, "pictures"])
    (path,) = set(re.findall(r'"path": "(/uploads/[^"]+\.zip)"', said))
    with zipfile.ZipFile(io.BytesIO(client.http.get(f"{API}/file={path}").content)) as archive:
        return "".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


def test_neither_a_model_given_by_its_folder_nor_a_cache_that_cannot_be_written_tells_where_it_is(tmp_path, checkpoint):
    folder = checkpoint("llava")
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    for cache in (tmp_path / "cache", blocked / "cache"):
        with started(tmp_path / f"server-{cache.parent.name}", SN_VIZ_MODEL=str(folder), SN_VIZ_CACHE=str(cache)) as server:
            client = Raw(server)
            _status, said = client.call(client.named("find"), ["presence-dog", None, "", "", 15, 0])
            kept = cache.parent == tmp_path
            assert ('"run"' if kept else "cannot be written") in said, said[:500]
            pages = [client.http.get("/").text, client.http.get("/config").text]
            seen = "\n".join([said, *pages, exported(client) if kept else ""])
            assert seen.count(folder.name) > (3 if kept else 0), "it goes by its name"
            for place in (folder.parent, tmp_path, Path(__file__).parents[2], Path(sys.prefix)):
                assert str(place) not in seen, (place, cache)
