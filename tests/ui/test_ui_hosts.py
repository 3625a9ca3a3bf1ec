"""Under which names the app answers."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sn_viz.errors import UserError
from sn_viz.ui.server.hosts import LOCAL, OwnHosts, board_address, served

VARIABLES = ("SN_VIZ_HOST", "SN_VIZ_HOST_NAMES", "SPACE_HOST", "SPACE_ID")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def ask(own, host: str, **headers: str) -> int:
    async def fine(request: Request) -> PlainTextResponse:
        seen = [name for name in request.headers if name.startswith("x-forwarded") or name == "forwarded"]
        return PlainTextResponse(",".join(seen))

    client = TestClient(OwnHosts(Starlette(routes=[Route("/", fine)]), own))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.get("/", headers={"host": host, **named})
    assert answer.status_code != 200 or own.behind_proxy or not answer.text, "nobody's word for a proxy's"
    return answer.status_code


def test_alone_on_this_machine_it_answers_under_three_names():
    own = served()
    assert own.listen == "127.0.0.1" and own.names == set(LOCAL) and not own.addresses
    assert {ask(own, host) for host in ("localhost", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST.")} == {200}
    for host in ("example.org", "192.168.1.4", "localhost.example.org", "127.0.0.1.nip.io", "[::1", "a b", "localhost:x", "::1::"):
        assert ask(own, host) == 421, host


def test_a_class_comes_by_address_or_by_the_names_given():
    own = served("0.0.0.0", ["Class.Example.org"])
    for host in ("192.168.1.4:7860", "[fe80::1]:7860", "class.example.org", "localhost:7860"):
        assert ask(own, host) == 200, host
    assert ask(own, "evil.example") == 421 and ask(own, "0x7f.1") == 421


def test_the_environment_says_the_same(monkeypatch):
    monkeypatch.setenv("SN_VIZ_HOST", "0.0.0.0")
    monkeypatch.setenv("SN_VIZ_HOST_NAMES", "one.example.org, two.example.org")
    own = served()
    assert own.listen == "0.0.0.0" and {"one.example.org", "two.example.org"} < own.names and own.addresses


def test_a_machine_of_its_own_name_answers_to_it():
    assert served("lab-3").names == {*LOCAL, "lab-3"}


def test_a_space_answers_under_its_own_name_behind_its_proxy(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "someone/space")
    monkeypatch.setenv("SPACE_HOST", "someone-space.hf.space")
    own = served()
    assert own.listen == "0.0.0.0" and own.behind_proxy
    assert ask(own, "someone-space.hf.space", origin="https://someone-space.hf.space", x_forwarded_proto="https") == 200
    assert ask(own, "10.16.4.2:7860") == 200 and ask(own, "other-space.hf.space") == 421
    assert ask(own, "someone-space.hf.space", origin="https://other-space.hf.space") == 403


def test_forwarded_hosts_count_behind_a_proxy_only_and_are_checked_too():
    alone, behind = served(names=["app.example.org"]), served(names=["app.example.org"], behind_proxy=True)
    assert ask(alone, "127.0.0.1", x_forwarded_host="evil.example", x_forwarded_for="1.2.3.4", forwarded="host=evil.example") == 200
    assert ask(alone, "evil.example", x_forwarded_host="localhost") == 421
    assert ask(behind, "127.0.0.1", x_forwarded_host="app.example.org", origin="https://app.example.org") == 200
    assert ask(behind, "127.0.0.1", x_forwarded_host="evil.example") == 421
    assert ask(behind, "evil.example", x_forwarded_host="app.example.org") == 421
    assert ask(behind, "127.0.0.1", x_forwarded_host="app.example.org, evil.example") == 421


def test_an_origin_is_the_hosts_own_or_none():
    own = served()
    assert ask(own, "localhost:7860", origin="http://localhost:7860") == 200
    assert ask(own, "127.0.0.1:7860", origin="http://localhost:7860") == 200
    for origin in ("http://localhost:8888", "https://localhost", "null", "http://evil.example", "http://[", "file://"):
        assert ask(own, "localhost:7860", origin=origin) == 403, origin


def test_a_name_in_another_spelling_is_the_same_name_and_its_page_works():
    own = served("0.0.0.0", ["lab.example.org", "bücher.example"])
    for host in ("LAB.example.org.", "Xn--BCHER-kva.example:7860", "[0:0:0:0:0:0:0:1]", "[FE80:0::1]:7860", "localhost.:80"):
        assert ask(own, host) == ask(own, host, origin=f"http://{host}") == 200, host
    assert ask(served(), "[0:0:0:0:0:0:0:1]:7860", origin="http://[::1]:7860") == 200, "one address, spelt out"


def test_what_only_resembles_a_host_is_none():
    own = served("0.0.0.0", ["lab.example.org"])
    nearly = (
        "localhost.. localhost:0 localhost:65536 127.1 2130706433 0x7f000001 0177.0.0.1 user@localhost [localhost] localhost:80:80"
    )
    zones = "fe80::1%evil.example [fe80::1%25eth0]:7860 localhost\\evil localhost,lab.example.org"
    for host in (*nearly.split(), *zones.split(), "."):
        assert ask(own, host) == 421, host


def test_two_hosts_are_none():
    async def app(scope, receive, send):
        raise AssertionError("it came through")

    client = TestClient(OwnHosts(app, served()))
    assert client.get("/", headers=[("host", "localhost"), ("host", "localhost")]).status_code == 421


def test_an_origin_is_a_scheme_a_name_and_a_port_and_nothing_else():
    own, behind = served(), served(behind_proxy=True)
    more = [
        "//user@localhost:7860",
        "//localhost:7860/",
        "//localhost:7860?x",
        "//evil.example\\@localhost:7860",
        "//local\thost:7860",
    ]
    for origin in [f"http:{rest}" for rest in more]:
        assert {ask(each, "localhost:7860", origin=origin) for each in (own, behind)} == {403}, origin
    assert ask(own, "localhost", origin="http://localhost:0") == 403, "there is no port 0 to come from"


def test_an_empty_forwarded_host_hides_no_other():
    behind = served(names=["app.example.org"], behind_proxy=True)
    client = TestClient(OwnHosts(Starlette(), behind))
    twice = [("host", "app.example.org"), ("x-forwarded-host", ""), ("x-forwarded-host", "evil.example")]
    assert client.get("/", headers=twice).status_code == 421


def test_a_websocket_of_another_host_is_closed_unaccepted():
    async def app(scope, receive, send):
        raise AssertionError("it came through")

    from starlette.websockets import WebSocketDisconnect

    client = TestClient(OwnHosts(app, served()), base_url="http://evil.example")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


@pytest.mark.parametrize("wrong", ["*", "http://a.example", "a/b", "a b", "-x", "x@y", "*.example.org"])
def test_a_host_that_is_none_is_refused_in_a_sentence(wrong):
    with pytest.raises(UserError, match="host name was not understood"):
        served(names=[wrong])
    with pytest.raises(UserError, match="host was not understood"):
        served(wrong)


def test_the_address_for_the_board_is_one_that_others_can_reach():
    assert (
        board_address("192.168.1.4", 7860) == "http://192.168.1.4:7860/" and board_address("fe80::1", 80) == "http://[fe80::1]:80/"
    )
    assert "0.0.0.0" not in board_address("0.0.0.0", 7860) and board_address("0.0.0.0", 7860).endswith(":7860/")
