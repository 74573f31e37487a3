"""The live page on a real master with two workers, steered in a real browser: it happens once, then is looked at."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from simulator.process import served
from tests.end_to_end.fleet import stop, workers_of
from tests.end_to_end.prometheus import answers, until
from tests.end_to_end.service import ROOT, scenario

SECRET = "sk-never-shown-to-anybody"
SLOW = ("--scripted", "--ttft-ms", "400", "--gap-ms", "100", "--tokens", "5")  # valid on a busy machine too
CHAT, LADDER_SHAPE = f"{ROOT}/locustfiles/chat.py", f"{ROOT}/shapes/ladder.py"
LADDER = "concurrency = [1, 2]\nat = 2"
PAGES = ("/", "/llm", "/llm/state", "/llm/scenarios", "/llm/runs", "/stats/requests", "/logs")


def get(url: str, **headers: str) -> tuple[int, dict[str, str], str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def post(url: str, body: bytes = b"", **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers=headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def state(url: str) -> Any:
    return json.loads(get(f"{url}/llm/state")[2])


def do(url: str, what: str) -> int:
    """What a button of the page does."""
    token = get(f"{url}/llm")[2].split('data-token="')[1].split('"')[0]
    return post(f"{url}/llm/do", json.dumps({"what": what}).encode(), **{"X-Tokenswarm-Token": token})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@contextmanager
def leading(
    folder: Path, shape: str, *more: str, ladder: str = LADDER
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Locust with our page and a slow service; runs go below the folder. Ended at the end."""
    with served("simulator", SLOW) as service:
        asked = scenario(folder, service, duration="1.5s")
        short = asked.read_text().replace("short = 24", "short = 5").replace("retries = 2", "retries = 1")
        few = short.replace("min_requests = 6", "min_requests = 2").replace(LADDER, ladder)
        asked.write_text(few.replace("model =", 'api_key_env = "A_KEY"\nmodel ='))
        port = free_port()
        command = [
            sys.executable, "-m", "locust", "-f", f"{ROOT}/locustfiles/chat.py,{ROOT}/shapes/{shape}.py",
            "--scenario", str(asked), "--web-host", "127.0.0.1", "--web-port", str(port), *more,
        ]  # fmt: skip
        environment = {**os.environ, "A_KEY": SECRET, "PYTHONPATH": str(ROOT)}
        with (folder / "locust.log").open("w") as log:
            master = subprocess.Popen(
                command, cwd=folder, env=environment, start_new_session=True, stdout=log, stderr=log
            )
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: answers(f"{url}/llm/state"), "the page is served")
            yield master, url
        finally:
            if master.poll() is None:
                stop(master)


@pytest.fixture(scope="module")
def steered(folder: Path) -> dict[str, Any]:
    """What the browser saw, and what the server answered to others before it."""
    bound = str(free_port())
    at = ("--master-bind-host", "127.0.0.1", "--master-bind-port", bound, "--master-host", "127.0.0.1")
    with leading(folder, "ladder", "--processes", "2", *at, "--master-port", bound) as (master, url):
        before = {path: get(url + path) for path in PAGES}
        origins = {origin: post(f"{url}/stop", Origin=origin) for origin in ("http://evil.example", url)}
        until(lambda: len(workers_of(master)) >= 2, "the workers are there")
        post(f"{url}/swarm", b"scenario=/etc/passwd")
        until(lambda: state(url)["state"] == "failed", "a file of nobody's choice is refused")
        refused = state(url)["text"]
        places = [url, str(folder), str(workers_of(master)[0]), str(master.pid)]
        browsing = [sys.executable, "-m", "tests.end_to_end.steering", *places]
        told = subprocess.run(browsing, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)
        assert told.returncode == 0, told.stderr + (folder / "locust.log").read_text()[-3000:]
    return {**json.loads(told.stdout), "before": before, "origins": origins, "refused": refused}


def runs(folder: Path) -> list[Run]:
    return [Run.open(each) for each in sorted((folder / "runs").iterdir())]


@pytest.mark.timeout(300)
def test_a_ladder_is_started_by_keys_and_climbs(steered: dict[str, Any], folder: Path) -> None:
    """A wrong knob is said beside its field, which has the focus; the right one starts a run that climbs to its end."""
    assert steered["wrong"].startswith("ladder.at = 3: not a rung")
    assert steered["focus"] == "knob-at"
    assert steered["half"].startswith("1 of 2 steps")
    assert "2 rungs done" in steered["rungs"]
    assert [record.step.concurrency for record in runs(folder)[0].steps if record.step.try_ == 1] == [1, 2]


def test_the_report_is_a_click_away_and_two_runs_are_compared(steered: dict[str, Any]) -> None:
    """Both are made by processes of their own, on pages apart."""
    assert "tokenswarm" in steered["report"]
    assert "Two runs beside each other" in steered["compared"], steered["compared"]


def test_what_a_person_does_is_in_the_record(steered: dict[str, Any], folder: Path) -> None:
    """Start, hold, mark, release and stop, with their notes; the window stayed open, and its step gates nothing."""
    last, held = runs(folder)[-1].manifest, runs(folder)[-1].steps[0]

    assert [act["what"] for act in last["actions"]] == ["start", "hold", "mark", "release", "stop"]
    assert (held.marks, held.window_s is not None and held.window_s > 4.0) == (("manual",), True)
    assert "manual" not in [mark for run in runs(folder)[:2] for step in run.steps for mark in step.marks]
    assert last["actions"][2]["note"] == "a <b>moment</b>"
    assert "a <b>moment</b>" in steered["acts"]
    assert last["stopped"] == "stopped by hand"
    assert steered["stopped"] == "The run ended early: stopped by hand"


def test_the_page_survives(steered: dict[str, Any], folder: Path) -> None:
    """A second run without a reload, a reload in the middle, a worker that is lost, a master that is gone."""
    assert len(runs(folder)) == 3
    assert "lost" in steered["lost"]
    assert "does not answer" in steered["gone"]
    assert steered["complaints"] == []
    assert set(steered["too_wide"].values()) == {0}


def test_locust_s_own_page_leads_to_ours_and_is_guarded(steered: dict[str, Any]) -> None:
    """A link, a tab and a file more; no foreign post, no CORS, and the key of a service is nowhere."""
    status, _, index = steered["before"]["/"]
    assert status == 200
    assert 'href="/llm"' in index
    assert "llm-steps" in index
    assert "extended_stats" in steered["before"]["/stats/requests"][2]
    assert "not among the scenarios" in steered["refused"]
    assert steered["origins"]["http://evil.example"] == 403
    assert 403 not in [code for origin, code in steered["origins"].items() if "127.0.0.1" in origin]
    assert all("Access-Control-Allow-Origin" not in headers for _, headers, _ in steered["before"].values())
    assert all(SECRET not in text for _, _, text in steered["before"].values())


@pytest.mark.timeout(240)
def test_a_ramp_by_hand_is_a_rung_per_level(tmp_path: Path) -> None:
    """Locust's users box and our page move the same level; each is a step of its own, the last one too at a stop."""

    def held(url: str, users: int) -> bool:
        now = state(url)
        return bool((now["step"] or {}).get("load") == users and now["figures"]["sent"] >= users)

    with leading(tmp_path, "manual") as (_, url):
        for users in (1, 3):
            post(f"{url}/swarm", f"user_count={users}&spawn_rate=1".encode())
            until(lambda users=users: held(url, users), f"{users} users are held")
        down = do(url, "down")
        until(lambda: held(url, 2), "2 users are held")
        post(f"{url}/stop")
        until(lambda: state(url)["state"] == "ended", "it is over")

    (run,) = runs(tmp_path)
    assert down == 200
    assert [(step.step.concurrency, step.marks) for step in run.steps] == [(n, ("manual",)) for n in (1, 3, 2)]
    assert [act["what"] for act in run.manifest["actions"]] == ["level", "down", "level", "stop"]
    assert run.manifest["stopped"] is None


def test_arrivals_are_held_and_moved(tmp_path: Path) -> None:
    """A rung of a schedule that is held comes again; moved, it ends at once and its step does not count."""

    def at(url: str, step: str) -> bool:
        now = state(url)
        return step in ((now["step"] or {}).get("id") or "") and "up" in now["allowed"]

    with leading(tmp_path, "arrivals", ladder="rate = [2, 4]") as (_, url):
        post(f"{url}/swarm")
        until(lambda: at(url, "-r2-"), "the first rate is there")
        assert do(url, "hold") == 200
        until(lambda: at(url, "-again2"), "it comes again")
        assert do(url, "up") == 200
        until(lambda: state(url)["state"] == "ended", "it is over")

    (run,) = runs(tmp_path)
    steps = run.steps
    assert [(one.step.rate, one.step.visit, one.marks) for one in steps if one.step.try_ == 1] == [
        (2, 1, ("manual",)), (2, 2, ("manual",)), (4, 1, ())
    ]  # fmt: skip
    assert any("ended by hand" in why for why in steps[1].why_invalid)


PROVIDER = """
from flask import redirect, request
from flask_login import UserMixin, login_user
from locust import events

class Someone(UserMixin):
    id = "someone"

@events.init.add_listener
def provide(environment, **_):
    if environment.web_ui is None:
        return
    app = environment.web_ui.app
    app.config["SECRET_KEY"] = "of this test"
    environment.web_ui.login_manager.user_loader(lambda _: Someone())
    environment.web_ui.auth_args = {"auth_providers": [{"label": "Ours", "callback_url": "/ours"}]}

    @app.route("/ours")
    def ours():
        if request.args.get("code") != "42":
            return "who?", 403
        login_user(Someone())
        return redirect("/llm")
"""


def test_who_logs_in_by_a_provider_of_their_own_sees_the_page(tmp_path: Path) -> None:
    """As Locust's documentation has it: without its session nothing of ours is seen or done, with it all is."""
    (tmp_path / "provider.py").write_text(PROVIDER)
    with leading(tmp_path, "ladder", "--web-login", "-f", f"{tmp_path}/provider.py,{CHAT},{LADDER_SHAPE}") as (_, url):
        closed = [get(url + path)[2] for path in ("/llm", "/llm/state", "/llm/scenarios", "/llm/runs")]
        asks = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        asks.request("POST", "/llm/do", b'{"what": "mark"}')
        refused = asks.getresponse()
        wrong = get(f"{url}/ours?code=1")[0]
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        page = browser.open(f"{url}/ours?code=42", timeout=30)
        told = json.loads(browser.open(f"{url}/llm/state", timeout=30).read())

    assert not any("data-token" in text or '"figures"' in text for text in closed)
    assert (refused.status, refused.headers["Location"].partition("?")[0], wrong) == (302, "/login", 403)
    assert page.url == f"{url}/llm"
    assert "Steer and watch" in page.read().decode()
    assert told["state"] == "idle"
