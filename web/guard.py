"""Who may ask for what of the web server: nothing from another site, with a password where one is set.

Locust's own page is guarded too: it lets every site read it, and post to it, as it comes.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, render_template, request
from flask_login import LoginManager, UserMixin, login_user

PASSWORD, HOSTS = "TOKENSWARM_WEB_PASSWORD", "TOKENSWARM_WEB_HOSTS"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HARMLESS = ("GET", "HEAD", "OPTIONS")
TOKEN = "X-Tokenswarm-Token"
WRONG_AT_ONCE, WRONG_SPAN_S = 10, 60.0  # wrong passwords, of all who try
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
OF_LOCUST = "object-src 'none'; base-uri 'self'; frame-ancestors 'none'"  # its page has its script in it

log = logging.getLogger(__name__)


class Person(UserMixin):  # type: ignore[misc]
    """Whoever knows the password."""

    id = "person"


def refusal(method: str, headers: Mapping[str, str], listens: str, known: frozenset[str]) -> str | None:
    """Why a request is refused; None when it may come from a page of ours, or from no browser at all.

    `listens` is where the server listens: on loopback it answers to loopback's names only, or a foreign site whose
    name is made to point here could read it. `known` are further names, from the environment.
    """
    host = headers.get("Host", "")
    name = (urlsplit(f"//{host}").hostname or "").lower()
    if listens in LOOPBACK and name not in (*LOOPBACK, *known):
        return f"this server listens on {listens} and is not known as that host: name it in {HOSTS}"
    if method in HARMLESS:
        return None
    origin = headers.get("Origin")
    if origin is not None:
        place = urlsplit(origin)
        if place.netloc.lower() != host.lower() and (place.hostname or "") not in known:
            return "a change is only taken from this server's own pages"
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin" and origin is None:
        return "a change is only taken from this server's own pages"
    return None


class Passwords:
    """The one password, compared in constant time; too many wrong ones and nobody gets in for a minute."""

    def __init__(self, password: str) -> None:
        self._digest = hashlib.sha256(password.encode()).digest()
        self._wrong: deque[float] = deque(maxlen=WRONG_AT_ONCE)

    def closed(self, now_s: float) -> bool:
        """Whether too many were wrong."""
        return len(self._wrong) == WRONG_AT_ONCE and now_s - self._wrong[0] < WRONG_SPAN_S

    def right(self, given: str, now_s: float) -> bool:
        """Whether it is the one."""
        same = hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._digest)
        if not same:
            self._wrong.append(now_s)
        return same


class Guard:
    """What protects the server; `token` is what a page of ours sends with every change."""

    def __init__(self, web_ui: Any, base: str, environment: Mapping[str, str]) -> None:
        self._web_ui, self._base = web_ui, base
        self._known = frozenset(name.strip().lower() for name in environment.get(HOSTS, "").split(",") if name.strip())
        self.token = secrets.token_urlsafe(32)
        app = web_ui.app
        app.debug = False
        readable = app.after_request_funcs.get(None, [])  # by every site, says flask_cors
        readable[:] = [each for each in readable if not each.__module__.startswith("flask_cors")]
        app.before_request(self._before)
        app.after_request(self._after)
        app.secret_key = app.secret_key or secrets.token_bytes(32)
        app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=bool(web_ui.tls_cert))
        self._passwords = Passwords(environment[PASSWORD]) if environment.get(PASSWORD) else None
        if self._passwords is not None:
            self._ask_for_it()
        elif web_ui.host not in LOOPBACK and not web_ui.web_login:
            log.warning("whoever reaches this page may start and stop runs: set %s, or --web-host 127.0.0.1", PASSWORD)

    def _ask_for_it(self) -> None:
        self._web_ui.web_login = True
        manager = LoginManager()
        manager.init_app(self._web_ui.app)
        manager.login_view = "tokenswarm.login"
        manager.user_loader(lambda name: Person() if name == Person.id else None)
        self._web_ui.login_manager = manager

    def _before(self) -> Response | None:
        why = refusal(request.method, dict(request.headers), self._web_ui.host, self._known)
        return None if why is None else Response(f"{why}\n", 403, mimetype="text/plain")

    def _after(self, answer: Response) -> Response:
        answer.headers.setdefault("Content-Security-Policy", OF_LOCUST)
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("X-Frame-Options", "DENY")
        answer.headers.setdefault("Referrer-Policy", "same-origin")
        return answer

    def trusts(self) -> bool:
        """Whether the present request bears the token of a page of ours."""
        return hmac.compare_digest(request.headers.get(TOKEN, "").encode(), self.token.encode())

    def page(self, template: str, **parts: Any) -> Response:
        """A page of ours, which may load nothing from elsewhere and run no script but its files."""
        answer = Response(render_template(template, base=self._base, token=self.token, **parts))
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def said(self, title: str, text: str, anyway: bool = False) -> Response:
        """A page that says something; with `anyway` it offers to do it all the same."""
        return self.page("said.html", title=title, text=text, anyway=anyway, asked=request.full_path)

    def add_login(self, pages: Blueprint) -> None:
        """The form that asks for the password, where one is set; a provider of the user's own has its own."""
        passwords = self._passwords
        if passwords is None:
            return

        @pages.route("/llm/login", methods=["GET", "POST"])
        def login() -> Response:
            wanted = _inside(request.args.get("next", ""), f"{self._base}/llm")
            if request.method == "GET":
                return self.page("login.html", text="", wanted=wanted)
            now_s = time.monotonic()
            if passwords.closed(now_s):
                text = "Too many wrong passwords: wait a minute."
            elif passwords.right(request.form.get("password", ""), now_s):
                login_user(Person())
                return redirect(wanted)  # type: ignore[return-value]
            else:
                text = "That is not the password."
            answer = self.page("login.html", text=text, wanted=wanted)
            answer.status_code = 401
            return answer


def _inside(path: str, otherwise: str) -> str:
    """A path on this server; anything else becomes the page."""
    whole = urlsplit(path)
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain and not whole.scheme and not whole.netloc else otherwise
