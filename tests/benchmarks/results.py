"""Figures that the documentation quotes: one JSON file, each part with where and when it was measured."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.measuring import machine

FILE = Path(__file__).with_name("scale.json")

Figures = dict[str, float]


def load() -> dict[str, Figures]:
    """All figures, by part."""
    found: dict[str, Figures] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return {part: {name: value for name, value in said.items() if name[0] != "_"} for part, said in found.items()}


def save(part: str, figures: Mapping[str, float]) -> None:
    """Replace one part, and print it."""
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    rounded = {name: float(f"{value:.4g}") for name, value in figures.items()}
    kept[part] = {"_measured": time.strftime("%Y-%m-%d"), "_machine": machine(), **rounded}
    FILE.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    for name, value in rounded.items():
        print(f"{part:10} {name:42} {value:g}")
