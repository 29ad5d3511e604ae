"""Figures that a test wants kept: a line of JSON each in the file named by TOCSIN_TEST_RECORD; without it, nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path


def note(test: str, **figures: float | str) -> None:
    """Keep the figures of one test."""
    path = os.environ.get("TOCSIN_TEST_RECORD")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"test": test, **figures}) + "\n")
