"""`check`: a few requests per arm before anything is measured; what they show, in a line each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from exporters.fleet import Lane, Order
from exporters.sample import Sample, Timeline
from locustfiles._asks import Asks
from locustfiles._booking import Exchange, Span, sample_of
from locustfiles._context import context_of, fitting, too_long
from locustfiles._dialects import Ask
from locustfiles._dialects._said import line
from locustfiles._dialects._texts import holds_more
from locustfiles._pace import Turn
from locustfiles._services import Service, read_key, services
from locustfiles._sizing import choose_tokenizer, output_tokenizer
from locustfiles._texts import Texts, left_out, make_texts
from locustfiles._wire import get, raise_file_limit
from scenarios.places import at_once
from scenarios.scenario import ONE_TEXT, Scenario

CHECK_TOKENS = 16
MANY_CHUNKS, BUFFERED_SHARE = 8, 0.9  # METRICS: TTFT > 90 % of E2E at >= 8 chunks means that something buffers
FATAL = ("connection", "timeout", "empty", "http_error")  # nothing can be measured behind these


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the check. `fail`: nothing can be measured; `warn`: figures will lack something."""

    name: str
    arm: str
    status: Literal["ok", "warn", "fail"]
    text: str


class Checked(msgspec.Struct, frozen=True):
    """The findings, the rows of the requests that were sent for them, and who each server says it is."""

    findings: list[Finding]
    samples: list[Sample]
    servers: dict[str, dict[str, str]]


def check(scenario: Scenario, bring_up: Callable[[Iterable[str]], float]) -> Checked:
    """Ask every arm a few short requests; blocks for as long as they take, and as it takes to bring each arm up."""
    checked = Checked([], [], {})
    files = raise_file_limit()
    asked, groups = services(scenario), at_once(scenario)
    bring_up(groups[0])  # the baseline's, whose /tokenize sizes the prompts
    texts = make_texts(scenario, choose_tokenizer(scenario, asked), count=4)
    for group in groups:
        bring_up(group)
        for name in group:
            probe = Probe(asked[name], scenario, texts, checked.samples)
            checked.findings.extend(probe.findings())
            checked.servers[name] = probe.server
    said = left_out(scenario)
    checked.findings.extend(Finding(name="left out", arm="client", status="warn", text=text) for text in said)
    checked.findings.append(_file_limit(files, math.ceil(max(scenario.ladder.rungs))))
    return checked


class Probe:
    """The requests that check one arm."""

    def __init__(self, service: Service, scenario: Scenario, texts: Texts, samples: list[Sample]) -> None:
        self.service, self._scenario, self._samples = service, scenario, samples
        self._context_tokens = context_of(service)
        fit = fitting(scenario, texts.data, self._context_tokens)
        self._too_long = len(texts.data) - len(fit)  # prompts of the data set; it is asked with one of the others
        texts = msgspec.structs.replace(texts, data=fit or texts.data)
        self._asks = Asks(scenario, f"check-{time.time_ns()}", texts)
        self.server: dict[str, str] = {"url": service.arm.url}

    def findings(self) -> Iterator[Finding]:
        """What the arm's service shows; the first request that brings no token ends it."""
        ask = self._ask()
        first, sample = self._send(ask)
        if sample.outcome != "ok" and not sample.chunks and not first.reply.text:
            yield from self._spoken(first, sample)
            yield self._finding("reachable", "fail", f"{self.service.arm.url}: {sample.outcome}: {sample.error}")
            return
        yield from self._other_models(ask)
        self.server["model"] = sample.model or ""
        self.server["server"] = first.reply.headers.get("server", "")
        yield self._finding("reachable", "ok", f"{sample.model or 'the model'} answers at {self.service.arm.url}")
        yield from self._spoken(first, sample)
        yield self._streaming(first, sample)
        yield self._usage(sample)
        if self.service.dialect.generates:
            yield self._length(sample)
        yield self._prompt_size(ask, sample)
        yield from self._context()
        yield self._clock(first.timeline)
        yield self._cache(ask)
        yield self._metrics()

    def _ask(self) -> Ask:
        cell = min(self._scenario.matrix.cells, key=lambda cell: cell.input_tokens)
        order = Order(seq=0, phase="settle", cell=cell, users=1)
        self._turn = Turn(order, Lane(arm=self.service.name), "check", 0, 0, 0.0, 0)
        return msgspec.structs.replace(self._asks.make(self._turn), max_tokens=CHECK_TOKENS)

    def _send(self, ask: Ask) -> tuple[Exchange, Sample]:
        timeline = Timeline()
        reply = self.service.reply(timeline.chunks)
        connection = self.service.connect()
        try:
            failure = self.service.send(connection, ask, timeline, reply)
        finally:
            connection.close()
        exchange = Exchange(self._turn, ask, timeline, reply, time.monotonic_ns(), failure)
        client = output_tokenizer(self._scenario).count("".join(reply.reasoning + reply.text))
        sample, _, _ = sample_of(
            exchange, -1, f"check-{self.service.name}-{len(self._samples) + 1}", Span(), client or None
        )
        self.service.insight.book(reply, sample)
        self._samples.append(sample)
        return exchange, sample

    def _finding(self, name: str, status: Literal["ok", "warn", "fail"], text: str) -> Finding:
        return Finding(name=name, arm=self.service.name, status=status, text=text)

    def _spoken(self, exchange: Exchange, sample: Sample) -> Iterator[Finding]:
        """What is to be said of the API itself, and of a mapping that matches nothing."""
        api, mapping, missing = self.service.arm.api, self.service.arm.json, exchange.reply.missing
        if not self.service.dialect.verified:
            text = f"api {api} is unverified: no recording of a real server was tested; compare a reply with its row"
            yield self._finding("api", "warn", text)
        if mapping is not None and missing and exchange.reply.status == 200:
            paths = ", ".join(f'json.{name} = "{getattr(mapping, name)}"' for name in missing)
            text = f"{paths}: nothing is there; the reply begins {line(exchange.reply.head.decode(errors='replace'))}"
            yield self._finding("mapping", "warn", text)
        lost = sum(holds_more(task.messages) for task in self._asks.texts.tasks if task.messages is not None)
        if lost and api in ONE_TEXT:
            text = f"{lost} tasks hold parts that are no text, such as images: {api} has no place for them, they are "
            yield self._finding("parts", "warn", f"{text}left out; use a chat API for them")
        stages = self.service.insight.finding(sample)
        if stages is not None and exchange.reply.status == 200:
            yield self._finding("stages", *stages)

    def _other_models(self, ask: Ask) -> Iterator[Finding]:
        """Whether each model of a mix answers: the first request has asked for one of them."""
        model = self.service.arm.model
        for one in () if isinstance(model, str) else model:
            if one.model != ask.model:
                _, sample = self._send(msgspec.structs.replace(ask, model=one.model))
                answered = sample.outcome == "ok"
                said = "answers" if answered else f"{sample.outcome}: {sample.error}"
                yield self._finding("model", "ok" if answered else "fail", f"{line(one.model)}: {said}")

    def _streaming(self, exchange: Exchange, sample: Sample) -> Finding:
        if not self.service.dialect.streams:
            return self._finding("streaming", "ok", "answers at once, as this API does: only E2E is measured")
        if not self._scenario.request.stream:
            return self._finding("streaming", "ok", "not streamed, as the scenario asks: only E2E is measured")
        if not exchange.reply.streamed:
            return self._finding(
                "streaming", "warn", "does not stream: no TTFT, TPOT or gaps; set [request] stream = false"
            )
        if sample.chunks >= MANY_CHUNKS and (sample.ttft_s or 0) > BUFFERED_SHARE * (sample.e2e_s or 1):
            text = "something between us and the model buffers the stream: turn response buffering off in the proxy"
            return self._finding("streaming", "warn", text)
        return self._finding("streaming", "ok", f"streams: {sample.chunks} chunks")

    def _usage(self, sample: Sample) -> Finding:
        if sample.input_tokens is None:
            return self._finding("usage", "warn", "sends no usage: tokens are counted by the client, an estimate")
        if not self.service.dialect.generates:
            return self._finding("usage", "ok", f"usage: {sample.input_tokens} in, no output")
        return self._finding("usage", "ok", f"usage: {sample.input_tokens} in, {sample.output_tokens} out")

    def _length(self, sample: Sample) -> Finding:
        if sample.output_tokens == CHECK_TOKENS:
            return self._finding(
                "length", "ok", f"output lengths are honoured: {CHECK_TOKENS} of {CHECK_TOKENS} tokens"
            )
        text = f"answered {sample.output_tokens} of {CHECK_TOKENS} tokens: lengths are not forced, the miss is reported"
        return self._finding("length", "warn", text)

    def _prompt_size(self, ask: Ask, sample: Sample) -> Finding:
        built, used = ask.prompt.tokens, sample.input_tokens
        tokenizer = self._asks.texts.tokenizer
        if built is None or used is None:
            return self._finding("prompt size", "ok", f"prompts are sized with {tokenizer}")
        text = (
            f"prompts of {built} tokens by {tokenizer}: the service counts {used} ({used - built:+d} for its template)"
        )
        return self._finding("prompt size", "ok" if abs(used - built) <= max(64, 0.1 * built) else "warn", text)

    def _context(self) -> Iterator[Finding]:
        """Prompts that the model cannot take, where its server tells how long its context is."""
        context = self._context_tokens
        if context is None:
            return
        beyond, known = too_long(self._scenario, self._asks.texts.pools, context)
        if beyond:
            text = f"{beyond} of {known} sizes of prompt and answer exceed the context of {context:,} tokens"
            yield self._finding("context", "warn", f"{text}: those requests will fail; use shorter ones")
        else:
            yield self._finding("context", "ok", f"all sizes fit into the context of {context:,} tokens")
        if self._too_long and self._scenario.data is not None:
            skips = self._scenario.data.on_bad == "skip"
            text = f"{self._too_long} prompts of the data set exceed it with their answers: "
            advice = "they are left out" if skips else 'use shorter ones, or leave them out by [data] on_bad = "skip"'
            yield self._finding("data", "warn" if skips else "fail", text + advice)

    def _clock(self, timeline: Timeline) -> Finding:
        if timeline.user_reads and not timeline.kernel_reads:
            return self._finding(
                "clock", "warn", "no kernel receive times here: stamps carry this process's own delays"
            )
        return self._finding("clock", "ok", "kernel receive times")

    def _cache(self, ask: Ask) -> Finding:
        _, sample = self._send(ask)
        if sample.cached_tokens:
            text = f"prefix cache is on ({sample.cached_tokens} tokens of a repeated prompt): nonces keep prompts apart"
            return self._finding("cache", "ok", text)
        return self._finding("cache", "ok", "no prefix-cache hit reported for a repeated prompt")

    def _metrics(self) -> Finding:
        try:
            headers = self.service.dialect.headers(read_key(self.service.arm))
            status, _, body = get(self.service.target, "/metrics", headers, 5.0)
        except OSError as error:
            status, body = 0, str(error).encode()
        if status == 200:
            return self._finding("metrics", "ok", f"/metrics: {body.count(b'# TYPE')} metrics")
        return self._finding("metrics", "warn", "no /metrics: queue and KV figures of the engine will be absent")


def _file_limit(files: int, users: int) -> Finding:
    enough = files >= 2 * users + 100
    text = f"{files} open files allowed" + ("" if enough else f": too few for {users} users, raise `ulimit -n`")
    return Finding(name="files", arm="client", status="ok" if enough else "warn", text=text)
