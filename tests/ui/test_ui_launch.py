"""Every safety flag of the server, and what its middleware does."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import uvicorn.config
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sn_viz.errors import UserError
from sn_viz.search import stumps as search
from sn_viz.ui.server import launch as serving
from sn_viz.ui.server.first_sight import PLACE, FirstSight, head
from sn_viz.ui.server.launch import launch_flags, routes
from sn_viz.ui.server.requests import API, HEADERS, MAX_BODY_BYTES, OnlyChecked, SafeRequests


def test_every_safety_flag_is_set(monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    flags = launch_flags(7000)
    assert flags["server_name"] == "127.0.0.1" and flags["server_port"] == 7000
    off = ("share", "show_error", "ssr_mode", "enable_monitoring", "run_history", "pwa", "mcp_server")
    assert {name: flags[name] for name in off} == dict.fromkeys(off, False)
    assert flags["allowed_paths"] == [] and flags["max_file_size"] == serving.MAX_FILE_BYTES and flags["strict_cors"]
    assert [middleware.cls for middleware in flags["app_kwargs"]["middleware"]] == [OnlyChecked]


def test_only_a_space_listens_to_everyone(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "someone/space")
    assert launch_flags()["server_name"] == "0.0.0.0"


def test_the_queue_is_bounded_and_flags_reach_gradio(monkeypatch):
    seen = {}
    monkeypatch.setattr(serving, "warm_up_beside", lambda: None)
    with gr.Blocks() as page:
        gr.Markdown("x")
    monkeypatch.setattr(page, "queue", lambda **named: seen.update(queue=named))
    monkeypatch.setattr(page, "launch", lambda **named: seen.update(launch=named))
    serving.launch(page, 7000, quiet=True)
    assert seen["queue"]["max_size"] == serving.QUEUE_SIZE and seen["queue"]["api_open"] is False
    assert seen["launch"]["show_error"] is False and seen["launch"]["quiet"] is True
    with pytest.raises(AssertionError):
        serving.launch(page, show_error=True)


def test_the_search_is_compiled_beside_the_server_and_holds_up_nothing(monkeypatch):
    compiled, ended = Event(), Event()

    def slow(dtypes, fixed, apart):
        assert ended.wait(20) and dtypes == (np.float16,) and apart
        compiled.set()

    with gr.Blocks() as page:
        gr.Markdown("x")
    monkeypatch.setattr(search, "warm_up", slow)
    monkeypatch.setattr(page, "launch", lambda **named: "served")
    assert serving.launch(page) == "served" and not compiled.is_set()
    ended.set()
    assert compiled.wait(20)


@pytest.fixture()
def client() -> TestClient:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    opened = [Route(path, echo, methods=["GET", "POST"]) for path in ("/", f"{API}/upload", f"{API}/queue/join")]
    app = Starlette(routes=[*opened, Route("/monitoring", echo), *routes()])
    return TestClient(SafeRequests(app, max_upload=1000), raise_server_exceptions=False)


def test_answers_carry_safety_headers_and_the_page_can_reach_this_server_only(client):
    answer = client.get("/")
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = HEADERS["content-security-policy"]
    assert "default-src 'self'" in policy and "http:" not in policy and "*" not in policy


def test_an_upload_that_is_too_large_is_refused_whatever_it_declares():
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route(f"{API}/upload", echo, methods=["POST"])], middleware=[Middleware(OnlyChecked)])
    client, path = TestClient(SafeRequests(app, max_upload=1000), raise_server_exceptions=False), f"{API}/upload"
    assert client.post(path, content=b"x" * 900).text == "900"
    assert client.post(path, content=b"x" * 1001).status_code == 413
    assert client.post(path, content=(b"x" * 400 for _ in range(4))).status_code == 413
    assert client.post(path, content=b"x", headers={"content-length": "many"}).status_code == 413


def test_what_is_no_upload_is_small_shallow_and_plain(client):
    path = f"{API}/queue/join"
    assert client.post(path, json={"data": ["[" * 500]}).status_code == 200
    for content in (b" " * (MAX_BODY_BYTES + 1), b"[" * 100, b"[" + b"0," * 250_000 + b"0]"):
        assert client.post(path, content=content).status_code == 413, content[:20]
    assert client.post(path, content=b"x", headers={"content-encoding": "gzip"}).status_code == 415
    assert client.get("/?" + "x" * 10_000).status_code == 414


def test_what_did_not_come_through_the_guards_is_not_answered():
    async def fine(request: Request) -> PlainTextResponse:
        return PlainTextResponse("open")

    app = Starlette(routes=[Route("/", fine)], middleware=[Middleware(OnlyChecked)])
    assert TestClient(app).get("/").status_code == 503 and TestClient(SafeRequests(app)).get("/").text == "open"


def test_a_fault_of_ours_is_told_by_its_incident_only(caplog):
    async def broken(request: Request) -> PlainTextResponse:
        raise ValueError("/secret/place")

    app = Starlette(routes=[Route("/", broken)], middleware=[Middleware(OnlyChecked)])
    answer = TestClient(SafeRequests(app), raise_server_exceptions=False).get("/")
    assert answer.status_code == 500 and "incident" in answer.text and "secret" not in answer.text
    assert "secret" in caplog.text


def test_unused_routes_are_closed(client):
    for path in ("/monitoring", "/monitoring/summary", "/gradio_api/proxy=http://a", "/gradio_api/vibe-code"):
        assert client.get(path).status_code == 404


def test_scripts_and_style_come_from_here_and_name_no_path_of_the_machine(client):
    for name, kind in (("plotly.js", "javascript"), ("page.js", "javascript"), ("style.css", "css")):
        answer = client.get(f"/sn-viz/{name}")
        assert answer.status_code == 200 and kind in answer.headers["content-type"] and len(answer.content) > 1000
    assert "file=" not in head() and "://" not in head() and 'src="sn-viz/' in head()


DOCUMENT = (
    '<html><head><script>config = "</head></gradio-app>"</script></head><body><gradio-app></gradio-app><p>end</p></body></html>'
)


@pytest.mark.parametrize(("path", "prefix"), [("/", ""), ("/proxy/", "/proxy")])
def test_our_lines_come_with_the_document_itself_where_it_ends_and_not_inside_its_configuration(path, prefix):
    async def document(request: Request) -> HTMLResponse:
        return HTMLResponse(DOCUMENT + " " * 1000)

    client = TestClient(FirstSight(Starlette(routes=[Route("/", document)]), "/proxy"), root_path=prefix)
    answer = client.get(path)
    assert answer.headers["content-encoding"] == "gzip" and answer.headers["content-type"].startswith("text/html")
    assert answer.text.strip() == DOCUMENT.replace("</head><body>", head("/proxy") + "</head><body>").replace(
        "</gradio-app><p>", f"</gradio-app>{PLACE}<p>"
    )


def test_other_answers_pass_as_they_are():
    async def plain(request: Request) -> PlainTextResponse:
        return PlainTextResponse("</head></gradio-app>")

    client = TestClient(FirstSight(Starlette(routes=[Route("/", plain), Route("/config", plain)])))
    for path in ("/", "/config"):
        answer = client.get(path)
        assert answer.text == "</head></gradio-app>" and answer.headers["content-length"] == "20"


def test_behind_a_proxy_the_page_asks_for_its_scripts_under_the_root_path(monkeypatch):
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/class/room-1/")
    flags = launch_flags()
    assert flags["root_path"] == "/class/room-1" and 'src="/class/room-1/sn-viz/page.js"' in head(flags["root_path"])
    assert launch_flags(root_path="https://example.org/sn")["root_path"] == "https://example.org/sn"
    assert launch_flags(root_path="/")["root_path"] == "" and launch_flags(root_path="")["root_path"] == ""


@pytest.mark.parametrize("wrong", ["class", "/a b", '/"><script>', "javascript:alert(1)", "//example.org"])
def test_a_root_path_that_is_none_is_refused(wrong):
    with pytest.raises(UserError, match="root path was not understood"):
        launch_flags(root_path=wrong)


def test_closed_routes_stay_closed_when_the_proxy_leaves_its_prefix_on():
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse("open")

    safe = SafeRequests(Starlette(routes=[Route("/monitoring", echo), Route("/config", echo)]))

    async def under_a_root(scope, receive, send):
        await safe({**scope, "root_path": "/proxy"}, receive, send)

    behind = TestClient(under_a_root)
    assert behind.get("/proxy/config").text == "open"
    assert behind.get("/proxy/monitoring").status_code == 404 and behind.get("/monitoring").status_code == 404


def test_requests_are_read_by_h11_even_where_another_parser_is_installed(monkeypatch):
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", uvicorn.config.HTTP_PROTOCOLS["httptools"])
    served = []
    page = SimpleNamespace(queue=lambda **options: None, launch=lambda **flags: served.append(uvicorn.config.Config(None).http))
    monkeypatch.setattr(serving, "warm_up_beside", lambda: None)
    serving.launch(page, 7999)
    assert served == ["auto"] and uvicorn.config.HTTP_PROTOCOLS["auto"].endswith("H11Protocol")
