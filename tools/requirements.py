"""Pin the dependencies of pyproject.toml into hashed requirement files that name no registry."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"
OPTIONS = [
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-annotate",
    "--no-header",
    "--quiet",
]
FILES = {
    "requirements-setup.txt": ["--group", "setup"],
    "requirements-node.txt": ["--group", "node"],
    "requirements.txt": ["--extra", "picture", "--extra", "s3"],
    "requirements-dev.txt": ["--extra", "picture", "--extra", "s3", "--group", "dev"],
}


def main() -> int:
    """Write every file; those already pinned stay at their version unless --upgrade is given."""
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv else []
    for name, choice in FILES.items():
        only_group = choice[0] == "--group"
        source = [] if only_group else ["pyproject.toml"]
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            if (ROOT / name).exists():
                made.write_text((ROOT / name).read_text())
            command = [str(UV), "pip", "compile", *source, *choice, *OPTIONS, *upgrade, "-o", str(made)]
            subprocess.run(command, cwd=ROOT, check=True)
            head = "# Made by `make requirements` from pyproject.toml; pinned and hashed for Python 3.11 to 3.13.\n"
            lines = [line for line in made.read_text().splitlines() if not line.startswith("#")]
            (ROOT / name).write_text(head + "\n".join(lines) + "\n")
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
