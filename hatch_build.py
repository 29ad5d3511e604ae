"""A wheel carries the built console: when it is absent, build it while the wheel is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs tools/console.py before a standard wheel; an editable install does without."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the console into the package."""
        root = Path(self.root)
        static = root / "src" / "tocsin" / "web" / "static"
        if version != "standard" or (static / "index.html").exists():
            return
        if not (root / "console" / "package.json").exists():
            raise RuntimeError("the console is neither built nor here as source: run `make console` in the checkout")
        subprocess.run([sys.executable, str(root / "tools" / "console.py")], check=True)
