"""Opens pages in a real Chromium and tells what it saw. A process of its own: Locust patches the one of the tests.

python tests/reports/browsing.py FOLDER [--pictures]   every FOLDER/*.html; prints JSON, and writes a PDF beside each
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PHONE, DESK, PAPER = 390, 1440, 688  # pixels across; A4 less its margins is 182 mm
BESIDE = (Path(__file__).parent / "browsing.js").read_text(encoding="utf-8")


def main(folder: Path, pictures: bool) -> None:
    """Open every page of a folder."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        seen = {path.stem: look(browser, path, pictures) for path in sorted(folder.glob("*.html"))}
        browser.close()
    print(json.dumps(seen))  # noqa: T201


def look(browser: Browser, path: Path, pictures: bool) -> dict[str, Any]:
    """What one page does: errors, requests, how wide it is, texts that are hard to read, links to nowhere, its PDF."""
    page = browser.new_page(viewport={"width": DESK, "height": 900}, color_scheme="light")
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    seen: dict[str, Any] = {"folded": page.locator("details:not([open])").count()}
    if pictures:
        _pictures(page, path)
    seen["pdf"] = _printed(page, path.with_suffix(".pdf"))
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    seen |= {"wide": _wide(page, DESK), "words": page.evaluate(f"({BESIDE}).words()")}
    seen |= {what: page.evaluate(f"({BESIDE}).{what}()") for what in ("nowhere", "overlaps")}
    seen["faint"] = {scheme: _faint(page, scheme) for scheme in ("light", "dark")}
    seen["phone"] = _wide(page, PHONE)
    page.emulate_media(media="print", color_scheme="light")
    seen |= {"paper": _wide(page, PAPER), "clipped": page.evaluate(f"({BESIDE}).clipped()")}
    page.close()
    return seen | {"complaints": complaints, "asked": [url for url in asked if url != path.as_uri()]}


def _wide(page: Page, across: int) -> int:
    """By how many pixels the page is wider than the window."""
    page.set_viewport_size({"width": across, "height": 900})
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def _faint(page: Page, scheme: Any) -> list[str]:
    page.emulate_media(color_scheme=scheme)
    return list(page.evaluate(f"({BESIDE}).faint()"))


def _printed(page: Page, path: Path) -> dict[str, Any]:
    """The page as PDF: its sizes of paper in points, and how many there are."""
    data = page.pdf(path=path, prefer_css_page_size=True, print_background=True)
    boxes = re.findall(rb"/MediaBox ?\[([\d. ]+)\]", data)
    return {"pages": len(boxes), "sizes": sorted({tuple(map(float, box.split()[2:])) for box in boxes})}


def _pictures(page: Page, path: Path) -> None:
    """The page as people see it: two widths, light and dark."""
    for across in (DESK, PHONE):
        page.set_viewport_size({"width": across, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=path.with_name(f"{path.stem}-{across}-{scheme}.png"), full_page=True)
    page.emulate_media(color_scheme="light")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--pictures" in sys.argv)
