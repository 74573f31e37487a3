"""Vega-Lite for the browser, made once per version of vl-convert (8 s of a core) in a process of its own, then a file.

It comes out of the installed package: no page of ours loads anything from elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

SNIPPET = "window.vegaEmbed=vegaEmbed;"


def bundle_file() -> Path:
    """Where the bundle of the installed version is kept: the user's cache, or where that cannot be written /tmp."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "tokenswarm"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        writable = os.access(cache, os.W_OK)
    except OSError:
        writable = False
    kept = cache if writable else Path(tempfile.gettempdir())
    return kept / f"vega-{version('vl-convert-python')}.js"


def prepare() -> None:
    """Have the bundle made, unless it is there; returns at once."""
    if not bundle_file().exists():
        subprocess.Popen([sys.executable, "-m", "web.bundle"], start_new_session=True, cwd=Path(__file__).parent.parent)


def main() -> None:
    """Write the bundle; whoever reads it meanwhile finds none."""
    import vl_convert  # 40 MB that only this process needs

    target = bundle_file()
    part = target.with_name(f"{target.name}.{os.getpid()}")
    part.write_text(vl_convert.javascript_bundle(SNIPPET), encoding="utf-8")
    os.replace(part, target)


if __name__ == "__main__":
    main()
