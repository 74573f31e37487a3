"""Every kind of run that the report must survive, by name, and a page as a browser sees it."""

from html.parser import HTMLParser

import samples


def ungated():
    """A manifest of one arm without any limit."""
    manifest = samples.manifest(ONE)
    manifest["scenario"]["slo"] = {"attain": 0.95, "cells": {}}
    return manifest


ONE = ("service",)
LOSS = {"long/short": 1.14, "long/long": 1.09, "short/short": 0.92}

SITUATIONS = {
    "pass": lambda: (samples.ab(recommendation="Adopt."), samples.manifest()),
    "pass-nothing-found": lambda: (samples.ab(ratios={}, recommendation="Undecided at 0 rungs."), samples.manifest()),
    "fail": lambda: (
        samples.ab("fail", LOSS, reasons=["TTFT is proven worse in two cells"], recommendation="Reject."),
        samples.manifest(),
    ),
    "inconclusive": lambda: (
        samples.ab("inconclusive", {}, reasons=["3 pairs were measured; a verdict needs 4", "a", "b", "c", "d"]),
        samples.manifest(),
    ),
    "invalid": lambda: (samples.partial(), samples.manifest(stopped="max_cost reached")),
    "one-arm": lambda: (samples.one_arm(), samples.manifest(ONE)),
    "nothing-gated": lambda: (samples.one_arm(), ungated()),
    "one-arm-fail": lambda: (
        samples.one_arm("fail", reasons=["the SLO is breached at 8 users: 81 % of the requests were good, not 95 %"]),
        samples.manifest(ONE),
    ),
    "all-failed": lambda: (samples.all_failed(), samples.manifest(ONE)),
    "no-step": lambda: (samples.run([], [], "invalid"), samples.manifest(ONE, stopped="Ctrl-C")),
}  # fmt: skip
SAMPLES = {
    **SITUATIONS,
    "one-step": lambda: (samples.one_step(), samples.manifest(ONE, calibration=None, check=[], gpu={})),
    "simulated": lambda: (samples.ab(), samples.manifest(simulated=True)),
    "huge": lambda: (samples.huge(), samples.manifest()),
    "forty-arms": lambda: (samples.forty_arms(), samples.manifest(samples.FORTY)),
    "poisoned": lambda: (samples.poisoned(samples.partial()), samples.poisoned(samples.manifest(stopped="x"))),
}


class Outline(HTMLParser):
    """The elements and attributes of a page, as a browser would see them."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Keeps an element."""
        self.elements.append((tag, dict(attrs)))

    def attributes(self, tag, name):
        """The values of an attribute on the elements of one name."""
        return [attrs.get(name) for t, attrs in self.elements if t == tag]
