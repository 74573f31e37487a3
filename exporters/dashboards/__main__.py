"""`make dashboards`: writes the JSON that Grafana imports to where the chart can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from exporters.dashboards import cost, gpu, swarm
from exporters.dashboards.panels import grafana_json

FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "helm" / "tokenswarm" / "dashboards"
PAGES: Final = {"swarm.json": swarm.PAGE, "gpu.json": gpu.PAGE, "cost.json": cost.PAGE}


def main() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(grafana_json(page), encoding="utf-8")


if __name__ == "__main__":
    main()
