"""Steers real runs on the live page in a real Chromium, and tells what it saw. A process of its own, as JSON.

python -m tests.end_to_end.steering URL FOLDER WORKER MASTER   the last two are process ids, which it ends on its way
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.reports.browsing import ARGUMENTS

LONG_MS = 60_000
WIDTHS = {"desk": 1440, "phone": 390}


class Steered:
    """One page, driven by keys and clicks."""

    def __init__(self, page: Page, url: str, folder: Path) -> None:
        self.page, self.url, self.folder = page, url, folder
        self.facts: dict[str, Any] = {"complaints": []}
        page.on("console", lambda said: self.complain(said.text))
        page.on("pageerror", lambda error: self.complain(str(error)))

    def complain(self, text: str) -> None:
        if "Failed to load resource" not in text:  # an answer of 4xx, or a master that is gone
            self.facts["complaints"].append(text)

    def tab_to(self, selector: str) -> None:
        """Go to an element by the keyboard alone."""
        for _ in range(120):
            if self.page.evaluate("wanted => document.activeElement?.matches(wanted) ?? false", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not lead to {selector}")

    def until(self, condition: str, timeout_ms: int = LONG_MS) -> None:
        """Wait for a condition of the page (which lets nobody evaluate a text, so it is asked from outside)."""
        deadline = time.monotonic() + timeout_ms / 1000
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"it did not come to {condition}"
            self.page.wait_for_timeout(50)

    def state(self, name: str, timeout_ms: int = LONG_MS) -> None:
        self.until(f"document.getElementById('state').textContent === '{name}'", timeout_ms)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def pictured(self, name: str) -> None:
        """A picture at each width, and by how much the page is wider than its window."""
        for size, width in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.wait_for_timeout(400)
            self.page.screenshot(path=self.folder / f"{name}-{size}.png", full_page=True)
            too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            self.facts.setdefault("too_wide", {})[f"{name}-{size}"] = max(too_wide, 0)
        self.page.set_viewport_size({"width": WIDTHS["desk"], "height": 900})

    # -- what happens

    def start_by_keyboard(self) -> None:
        """A wrong knob first, then a right one; the first run climbs to its end."""
        self.page.goto(f"{self.url}/llm")
        self.until("document.getElementById('scenario').value !== ''")
        self.tab_to("#knob-at")
        self.page.keyboard.type("3")
        self.page.keyboard.press("Enter")
        self.until("document.getElementById('wrong-at').textContent !== ''")
        self.facts["wrong"] = self.text("#wrong-at")
        self.facts["focus"] = self.page.evaluate("document.activeElement.id")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type("2")
        self.page.keyboard.press("Enter")
        self.state("running")
        self.until("document.getElementById('progress').value === 1")
        self.facts["half"] = self.text("#left")
        self.until("document.querySelectorAll('#chart-ladder svg path').length > 0")
        self.pictured("climbing")
        self.state("ended")
        self.facts["rungs"] = self.text("#ladder-words")
        self.facts["first"] = self.page.evaluate("document.getElementById('where').textContent")

    def again(self) -> None:
        """The same once more, without a reload; then its report, and the two compared."""
        self.page.click("#go")
        self.state("running")
        self.state("ended")
        self.until("document.querySelectorAll('#runs button').length === 2")
        self.pictured("ended")
        self.page.click("#report")
        self.facts["report"] = self.page.title()
        self.page.go_back()
        self.until("document.querySelectorAll('#runs button').length === 2")
        for row in (1, 0):
            self.page.locator("#runs button").nth(row).click()
        self.page.wait_for_url("**/llm/compare?**")
        self.facts["compared"] = self.page.locator("body").inner_text()
        self.page.goto(f"{self.url}/llm")

    def hold_and_lose(self, worker: int) -> None:
        """A third run: held, marked and released by keys, reloaded meanwhile, a worker lost, stopped."""
        self.until("document.getElementById('scenario').value !== ''")
        self.page.fill("#knob-at", "2")
        self.page.click("#go")
        self.until("!document.querySelector('[data-what=hold]').disabled")
        self.tab_to("[data-what=hold]")
        self.page.keyboard.press("Enter")
        self.until("document.getElementById('actions').textContent.includes('hold')")
        self.page.reload()
        self.state("running")
        self.until("!document.querySelector('[data-what=release]').hidden")
        self.tab_to("#note")
        self.page.keyboard.type("a <b>moment</b>")
        self.page.keyboard.press("Enter")
        self.until("document.getElementById('actions').textContent.includes('moment')")
        self.until(r"/window for ([6-9]|\d\d) s/.test(document.getElementById('where').textContent)")
        self.tab_to("[data-what=release]")
        self.page.keyboard.press("Enter")
        self.until("document.getElementById('progress').value === 1")
        self.facts["acts"] = self.text("#actions")
        os.kill(worker, signal.SIGKILL)
        self.until("document.getElementById('warnings').textContent.includes('lost')")
        self.facts["lost"] = self.text("#warnings")
        self.page.click("[data-what=stop]")
        self.state("ended")
        self.facts["stopped"] = self.text("#banner")

    def master_stops(self, master: int) -> None:
        """The page says so."""
        os.kill(master, signal.SIGTERM)
        self.state("no answer", 30_000)
        self.facts["gone"] = self.text("#banner")


def main(url: str, folder: Path, worker: int, master: int) -> None:
    """All of it, in one browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": WIDTHS["desk"], "height": 900})
        page.set_default_timeout(LONG_MS)
        steered = Steered(page, url, folder)
        try:
            steered.start_by_keyboard()
            steered.again()
            steered.hold_and_lose(worker)
            steered.master_stops(master)
        except Exception:
            page.screenshot(path=folder / "failed.png", full_page=True)
            raise
        browser.close()
    print(json.dumps(steered.facts))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
