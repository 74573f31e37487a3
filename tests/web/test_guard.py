"""The guard: what comes from elsewhere changes nothing, and a password is the only way in where one is set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask_cors import CORS
from flask_login import login_required

from web.form import Files
from web.guard import WRONG_AT_ONCE, Passwords, refusal
from web.live import Live
from web.pages import Place, serve
from web.runs import Runs

HOST = {"Host": "127.0.0.1:8089"}
OURS, THEIRS = {"Origin": "http://127.0.0.1:8089"}, {"Origin": "http://evil.example"}
NOBODY: frozenset[str] = frozenset()


class Served:
    """A server as Locust makes it (open to every site, in debug mode), with one route that changes something."""

    def __init__(self, folder: Any, host: str = "127.0.0.1", **environment: str) -> None:
        self.app, self.host, self.tls_cert, self.web_login = Flask("served"), host, None, False
        self.done: list[str] = []
        CORS(self.app)
        self.app.debug = True
        self.app.add_url_rule("/swarm", "swarm", self.swarm, methods=["POST"])
        desk = SimpleNamespace(do=lambda what, _note: self.done.append(what), start=self.done.append)
        place = Place(Live(), desk, Files([folder]), Runs(folder / "runs"), "/base", environment)
        serve(self, place)
        self.app.config["SERVER_NAME"] = None
        self.client = self.app.test_client()

    def swarm(self) -> str:
        self.done.append("swarm")
        return "ok"

    def auth_required_if_enabled(self, view: Any) -> Any:
        def guarded(*given: Any, **named: Any) -> Any:
            return login_required(view)(*given, **named) if self.web_login else view(*given, **named)

        guarded.__name__ = view.__name__
        return guarded


@pytest.fixture(autouse=True)
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.bundle.prepare", lambda: None)


def test_a_change_is_taken_from_our_own_pages_only() -> None:
    """Another origin or site is refused, ours is not; a program without a browser is none of their victims."""
    assert refusal("POST", HOST | OURS, "127.0.0.1", NOBODY) is None
    assert refusal("POST", HOST, "127.0.0.1", NOBODY) is None
    assert refusal("POST", HOST | THEIRS, "127.0.0.1", NOBODY) is not None
    assert refusal("POST", HOST | {"Origin": "null"}, "127.0.0.1", NOBODY) is not None
    assert refusal("POST", HOST | {"Sec-Fetch-Site": "cross-site"}, "127.0.0.1", NOBODY) is not None
    assert refusal("DELETE", HOST | THEIRS, "127.0.0.1", NOBODY) is not None
    assert refusal("GET", HOST | THEIRS, "127.0.0.1", NOBODY) is None


def test_on_loopback_only_its_own_names_are_answered() -> None:
    """A name of somebody else's that points here reads nothing; a proxy's name can be made known."""
    other = {"Host": "rebound.example:8089"}
    assert refusal("GET", other, "127.0.0.1", NOBODY) is not None
    assert refusal("GET", {"Host": "[::1]:8089"}, "127.0.0.1", NOBODY) is None
    assert refusal("GET", other, "127.0.0.1", frozenset({"rebound.example"})) is None
    assert refusal("GET", other, "0.0.0.0", NOBODY) is None


def test_the_whole_server_is_guarded(tmp_path: Any) -> None:
    """Locust's own routes too: no CORS, no debugger, no frame, no foreign post."""
    served = Served(tmp_path)
    foreign = served.client.post("/swarm", headers=THEIRS, base_url="http://127.0.0.1:8089")
    ours = served.client.post("/swarm", headers=OURS, base_url="http://127.0.0.1:8089")

    assert (foreign.status_code, ours.status_code, served.done) == (403, 200, ["swarm"])
    assert "Access-Control-Allow-Origin" not in ours.headers
    assert "frame-ancestors 'none'" in ours.headers["Content-Security-Policy"]
    assert not served.app.debug


def test_our_acts_need_the_page_s_token(tmp_path: Any) -> None:
    """Without it, or with another, nothing is done; the page has it, and may run no script but its files."""
    served = Served(tmp_path)
    page = served.client.get("/base/llm")
    token = page.text.split('data-token="')[1].split('"')[0]
    posts = [
        served.client.post("/base/llm/do", json={"what": "hold"}, headers={"X-Tokenswarm-Token": given}).status_code
        for given in ("", "x", token)
    ]

    assert (posts, served.done) == ([409, 409, 200], ["hold"])
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert served.client.post("/base/llm/do", data=b"{", headers={"X-Tokenswarm-Token": token}).status_code == 409


def test_a_password_is_the_only_way_in(tmp_path: Any) -> None:
    """Every route sends to the form until the password was right; it goes nowhere but to a path of this server."""
    served = Served(tmp_path, TOKENSWARM_WEB_PASSWORD="s3cret-word")
    paths = ("/base/llm", "/base/llm/state", "/base/llm/scenarios", "/base/llm/runs", "/base/llm/steps.csv")
    closed = [served.client.get(path) for path in paths]
    wrong = served.client.post("/base/llm/login", data={"password": "guess"})
    right = served.client.post("/base/llm/login?next=//evil.example/", data={"password": "s3cret-word"})

    assert [answer.status_code for answer in closed] == [302] * len(paths)
    assert (wrong.status_code, right.status_code, right.headers["Location"]) == (401, 302, "/base/llm")
    assert [served.client.get(path).status_code for path in paths] == [200] * len(paths)
    assert all("s3cret-word" not in answer.text for answer in (wrong, *map(served.client.get, paths)))
    assert "HttpOnly" in right.headers["Set-Cookie"]
    assert "SameSite=Lax" in right.headers["Set-Cookie"]


def test_an_open_door_is_said(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A server that others can reach without a password says so, and what to do; one on loopback does not."""
    Served(tmp_path)
    Served(tmp_path, host="", TOKENSWARM_WEB_PASSWORD="x")
    assert caplog.text == ""
    Served(tmp_path, host="")
    assert "set TOKENSWARM_WEB_PASSWORD" in caplog.text


def test_guessing_ends_for_a_minute() -> None:
    """After ten wrong passwords within a minute nobody is asked."""
    passwords = Passwords("right")
    assert all(not passwords.right("wrong", float(second)) for second in range(WRONG_AT_ONCE))
    assert passwords.right("right", 9.5)
    assert passwords.closed(30.0)
    assert not passwords.closed(61.0)


def test_a_report_is_a_page_apart(tmp_path: Any) -> None:
    """Whatever stands in a report, it may do nothing to this site; a path that climbs out of the folder finds none."""
    run = tmp_path / "runs" / "20261129T112343Z-x"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"format": 1, "id": "x", "scenario": {"name": "n"}, "started": "t", "ended": "t"}')
    (run / "report.html").write_text("<script>alert(1)</script>")
    (tmp_path / "report.html").write_text("outside")
    (tmp_path / "run.json").write_text("{}")
    client = Served(tmp_path).client
    report = client.get("/base/llm/runs/20261129T112343Z-x/report.html")

    assert report.headers["Content-Security-Policy"].startswith("sandbox")
    assert client.get("/base/llm/runs").json["runs"][0]["id"] == "20261129T112343Z-x"
    for name in ("..", "%2e%2e", ".", "nothing"):
        assert "outside" not in client.get(f"/base/llm/runs/{name}/report.html").text
    text = client.get("/base/llm/compare?base=..&candidate=..").text
    assert "not here any more" in text
