"""Pages pushed to a real Pushgateway and a real Prometheus: restarts, time away, credentials, TLS, what is lost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporters import push as pushing
from exporters.exposition import Field, labels, page
from exporters.peer import PushError, authorization
from exporters.push import GATEWAY, REMOTE_WRITE, Push, Sending, now_ms
from tests.end_to_end.disk import fill
from tests.end_to_end.prometheus import Prometheus, Pushgateway, Server, running, until

USERS, DONE = Field("swarm_users", "gauge", "Users."), Field("swarm_done_total", "counter", "Done.")
GROUP = {"job": "tokenswarm", "run": "a/b c", "instance": "here"}
RECEIVER = ("--web.enable-remote-write-receiver",)
BCRYPT_OF_TEST = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay"  # of Prometheus' own documentation
SECRET = "wrong-horse"


def page_of(users: float, arm: str = "a") -> bytes:
    return page([(USERS, labels(arm=arm, cell='x"y'), users), (DONE, "", 7)])


def pushes(sending: Sending, environment: dict[str, str] | None = None) -> tuple[Push, list[str]]:
    said: list[str] = []
    push = Push(sending, GROUP, environment or {}, said.append)
    push.start()
    return push, said


def account(push: Push, to: str) -> Any:
    return push._deliveries[to].account


def seen(gateway: Pushgateway, name: str = "swarm_users") -> list[tuple[dict[str, str], float]]:
    return [(dict(named), value) for named, value in gateway.series(name).items()]


def test_the_pushgateway_has_the_last_page_in_its_group() -> None:
    """The grouping key's odd letters arrive; a page replaces the one before; the group goes at the end when asked."""
    gateway = Pushgateway()
    with running(gateway):
        push, said = pushes(Sending(pushgateway=gateway.url, delete=True))
        push.offer(page_of(3, arm="a"), now_ms())
        until(lambda: bool(seen(gateway)), "the first page is there")
        push.offer(page_of(4, arm="b"), now_ms())
        until(lambda: [value for _, value in seen(gateway)] == [4], "the second took its place")
        assert seen(gateway) == [({**GROUP, "arm": "b", "cell": 'x"y'}, 4)]
        assert seen(gateway, "swarm_done_total") == [(GROUP, 7)]
        accounts = push.stop(now_ms())
        assert seen(gateway) == []

    assert accounts[GATEWAY] == {"requests": 3, "failures": 0, "samples": 0, "lost": 0, "error": None}
    assert said == []


def test_without_being_asked_the_group_stays_at_its_last_page() -> None:
    """What a run ended with can be scraped afterwards, also when the last page came just before the end."""
    gateway = Pushgateway()
    with running(gateway):
        push, _ = pushes(Sending(pushgateway=gateway.url))
        for users in range(1, 20):
            push.offer(page_of(users), now_ms())
        push.stop(now_ms())
        assert [value for _, value in seen(gateway)] == [19]


def test_a_pushgateway_that_restarts_gets_the_newest_page() -> None:
    """Stopped in the middle, it forgets all; what is offered meanwhile waits, the newest page arrives; its failure and
    its return are said once each, and nobody waited for it."""
    gateway = Pushgateway()
    push, said = pushes(Sending(pushgateway=gateway.url))
    with running(gateway):
        push.offer(page_of(1), now_ms())
        until(lambda: [value for _, value in seen(gateway)] == [1], "the first page is there")
    began = time.monotonic()
    for users in (2, 3, 4):
        push.offer(page_of(users), now_ms())
    assert time.monotonic() - began < 0.5
    until(lambda: account(push, GATEWAY).failures > 1, "it is tried again")
    with running(gateway):
        until(lambda: [value for _, value in seen(gateway)] == [4], "the newest page is there")
        push.stop(now_ms())

    assert len(said) == 2
    assert said[0].startswith(f"--pushgateway: {gateway.url}: ")  # a broken pipe, or refused
    assert said[1].endswith("takes what is sent again")


def store(folder: Path, **more: Any) -> Prometheus:
    return Prometheus(folder, options=(*RECEIVER, *more.pop("options", ())), **more)


def test_samples_have_the_times_at_which_they_were_taken(tmp_path: Path) -> None:
    """Labels, values and times arrive as they were; a series that is gone ends at once, all end with the sender."""
    there, now = store(tmp_path), time.time()
    with running(there):
        push, said = pushes(Sending(remote_write=f"{there.url}/api/v1/write"))
        for second, arm in ((-40, "a"), (-30, "a"), (-20, "b")):
            push.offer(page_of(100 + second, arm), int((now + second) * 1000))
        until(lambda: account(push, REMOTE_WRITE).requests == 3, "all are delivered")
        found = there.query("swarm_users[1h]", now)
        at = [{one["metric"]["arm"] for one in there.query("swarm_users", now + second)} for second in (-35, -25, -15)]
        push.stop(int((now - 5) * 1000))
        after = there.query("swarm_users", now)

    kept = {
        one["metric"]["arm"]: [(round(stamp - now), float(value)) for stamp, value in one["values"]] for one in found
    }
    assert kept == {"a": [(-40, 60.0), (-30, 70.0)], "b": [(-20, 80.0)]}
    assert {**found[0]["metric"], "arm": ""} == {**GROUP, "__name__": "swarm_users", "arm": "", "cell": 'x"y'}
    assert at == [{"a"}, {"a"}, {"b"}]
    assert after == []
    assert said == []


def test_a_prometheus_that_is_away_for_a_while_misses_nothing(tmp_path: Path) -> None:
    """Stopped in the middle, twelve pages later started again: every sample is there, none lost, none twice."""
    there, begin = store(tmp_path), now_ms() - 60_000
    push, said = pushes(Sending(remote_write=there.url))
    with running(there):
        for number in range(4):
            push.offer(page_of(number), begin + number * 1000)
        until(lambda: account(push, REMOTE_WRITE).requests == 4, "the first are delivered")
    for number in range(4, 16):
        push.offer(page_of(number), begin + number * 1000)
    until(lambda: account(push, REMOTE_WRITE).failures > 1, "it is tried again")
    with running(there):
        until(lambda: account(push, REMOTE_WRITE).requests == 16, "the others are delivered")
        (one,) = there.query("swarm_users[1h]")
        accounts = push.stop(now_ms())

    assert [float(value) for _, value in one["values"]] == list(range(16))
    assert accounts[REMOTE_WRITE]["lost"] == 0
    assert accounts[REMOTE_WRITE]["failures"] > 1
    assert len(said) == 2


def test_a_prometheus_whose_disk_is_full_gets_all_when_there_is_space_again(small_disk: Path) -> None:
    """It answers 500, that is said with its reason, and every sample waits: none is lost, none there twice."""
    there, begin = store(small_disk), now_ms() - 60_000
    push, said = pushes(Sending(remote_write=there.url))
    with running(there):
        push.offer(page_of(0), begin)
        until(lambda: account(push, REMOTE_WRITE).requests == 1, "the first is delivered")
        ballast = fill(small_disk)
        for number in range(1, 50):
            push.offer(page_of(number, arm=f"{number:0200}"), begin + number * 1000)
        until(lambda: account(push, REMOTE_WRITE).failures > 1, "it is tried again")
        ballast.unlink()
        until(lambda: account(push, REMOTE_WRITE).requests == 50, "all are delivered")
        kept = [len(one["values"]) for one in there.query("swarm_users[1h]")]
        accounts = push.stop(now_ms())

    assert kept == [1] * 50
    assert accounts[REMOTE_WRITE]["lost"] == 0
    assert len(said) == 2
    assert "no space left on device" in said[0]


def test_what_fell_out_of_the_buffer_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away for longer than the buffer holds: the newest arrive, and lost + there = sent, sample by sample."""
    monkeypatch.setattr(pushing, "BUFFER_BYTES", 2000)
    there, begin = store(tmp_path), now_ms() - 60_000
    push, said = pushes(Sending(remote_write=there.url))
    for number in range(40):
        push.offer(page_of(number), begin + number * 1000)
    with running(there):
        accounts = push.stop(now_ms(), patience_s=20)
        kept = sum(len(one["values"]) for one in there.query('{__name__=~"swarm.*|tokenswarm.*"}[1h]'))
        (users,) = there.query("swarm_users[1h]")

    ends = 5  # the markers that end the five series are samples too, which no query returns
    offered = 40 * 5 + ends
    assert accounts[REMOTE_WRITE]["lost"] > 0
    assert accounts[REMOTE_WRITE]["samples"] + accounts[REMOTE_WRITE]["lost"] == offered
    assert kept == accounts[REMOTE_WRITE]["samples"] - ends
    assert [float(value) for _, value in users["values"]][-1] == 39
    assert any("the oldest samples are dropped" in line for line in said)


def test_a_server_that_stays_away_holds_up_no_end(tmp_path: Path) -> None:
    """The end comes in time, with everything that was not delivered counted as lost."""
    push, _ = pushes(Sending(remote_write="http://127.0.0.1:9", pushgateway="http://127.0.0.1:9"))
    push.offer(page_of(1), now_ms())
    began = time.monotonic()
    accounts = push.stop(now_ms(), patience_s=1.0)

    assert time.monotonic() - began < 2.0
    assert accounts[REMOTE_WRITE]["lost"] == 7 + 7  # two of ours and five of its own health; and their ends
    assert "refused" in accounts[REMOTE_WRITE]["error"]


@pytest.fixture
def guarded(tmp_path: Path) -> tuple[Path, Path]:
    """A web configuration of TLS and a login, and the certificate to trust."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for number, pem in enumerate(certificate.cert_chain_pems):
        pem.write_to_path(tmp_path / "cert.pem", append=number > 0)
    tls = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    web = {"tls_server_config": tls, "basic_auth_users": {"swarm": BCRYPT_OF_TEST}}
    (tmp_path / "web.yml").write_text(json.dumps(web))
    return tmp_path / "web.yml", tmp_path / "ca.pem"


@pytest.mark.parametrize("to", [GATEWAY, REMOTE_WRITE])
def test_who_we_are_comes_from_the_environment(to: str, tmp_path: Path, guarded: tuple[Path, Path]) -> None:
    """Over TLS: the right login is let in; a wrong one, or a stranger's certificate, is said without the secret."""
    web, authority = guarded
    options, prefix = (f"--web.config.file={web}",), pushing.PREFIXES[to]
    server: Server = (
        Pushgateway(options, "https") if to == GATEWAY else store(tmp_path, options=options, scheme="https")
    )
    sending = {"pushgateway" if to == GATEWAY else "remote_write": server.url}

    def tried(password: str, ca_file: str) -> tuple[Any, str]:
        login = {f"{prefix}_USERNAME": "swarm", f"{prefix}_PASSWORD": password}
        push, said = pushes(Sending(**sending, ca_file=ca_file), login)
        push.offer(page_of(1), now_ms())
        until(lambda: bool(account(push, to).requests + account(push, to).failures), "it has answered")
        return push.stop(now_ms(), patience_s=0.5)[to], " ".join(said)

    with running(server):
        let_in, nothing = tried("test", str(authority))
        refused, why = tried(SECRET, str(authority))
        distrusted, stranger = tried(SECRET, "")

    assert (let_in["requests"] > 0, let_in["failures"], nothing) == (True, 0, "")
    assert refused["requests"] == distrusted["requests"] == 0
    assert "401: look at the credentials in the environment" in why
    assert "certificate verify failed" in stranger
    assert SECRET not in why + stranger + str(refused) + str(distrusted)
    assert (refused["lost"] > 0) == (to == REMOTE_WRITE)


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({"X_BEARER_TOKEN": " t0ken\n"}, "Bearer t0ken"),  # as a file that was read into it ends
        ({"X_USERNAME": "me", "X_PASSWORD": "p:ss"}, "Basic bWU6cDpzcw=="),
        ({"X_USERNAME": "me"}, "Basic bWU6"),
        ({"OTHER_BEARER_TOKEN": "t0ken"}, None),
    ],
)
def test_a_login_or_a_token_is_one_header(environment: dict[str, str], header: str | None) -> None:
    """Of the destination's own variables; nothing without them."""
    assert authorization("X", environment) == ({} if header is None else {"Authorization": header})


@pytest.mark.parametrize(
    ("sending", "environment", "words"),
    [
        (Sending(pushgateway="http://me:secret@host:9091"), {}, "--pushgateway: an address with a login"),
        (Sending(remote_write="host:9090"), {}, "--remote-write: host:9090 is no address"),
        (Sending(remote_write="http://host:port"), {}, "is no URL"),
        (Sending(pushgateway="ftp://host"), {}, "is no address"),
        (Sending(pushgateway="https://host", ca_file="/nowhere.pem"), {}, "/nowhere.pem cannot be used"),
        (
            Sending(remote_write="http://host"),
            {"TOKENSWARM_REMOTE_WRITE_BEARER_TOKEN": "secret", "TOKENSWARM_REMOTE_WRITE_USERNAME": "me"},
            "exclude each other",
        ),
        (
            Sending(pushgateway="http://host"),
            {"TOKENSWARM_PUSHGATEWAY_BEARER_TOKEN": "secret\r\nX: 1"},
            "no header can",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(sending: Sending, environment: dict[str, str], words: str) -> None:
    """Before anything is sent, naming the option, without any secret."""
    with pytest.raises(PushError) as caught:
        Push(sending, GROUP, environment, print)

    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
