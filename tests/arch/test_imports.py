"""Imports point one way, and what must be in one place is in one place. Reads the code, runs none of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "tocsin"

# House style, section 1. Modules directly in tocsin/ are the composition root and the command line: they know all.
MAY_IMPORT: dict[str, set[str]] = {
    "base": set(),
    "protocols": {"base"},
    "domain": {"base"},
    "storage": {"base", "domain"},
    "bus": {"base", "domain"},
    "web": {"base", "domain"},
    "gateways": {"base", "domain", "protocols"},
    "media": {"base", "domain", "protocols"},
    "sim": {"base", "protocols"},
}

# PyAV links x264 and x265 (GPL): control process and media workers never load it; the picture worker alone does.
PICTURE_LIBRARIES = {"av", "PIL", "numpy"}
PICTURE_MODULES = {
    "sim/aac_tone.py",
    "sim/street.py",
    "sim/picture.py",
    "sim/picture_faults.py",
    "media/picture_measures.py",
    "media/picture_reference.py",
    "media/picture_decoding.py",
    "media/picture_examination.py",
}
PICTURE_WORKER = "media/picture_worker.py"  # a process of its own: the only part of the server that decodes

WEB_LIBRARIES = {"fastapi", "starlette", "uvicorn", "pydantic"}
NOT_IN_PURE = {
    "socket",
    "asyncio",
    "threading",
    "subprocess",
    "logging",
    "structlog",
    "time",
    "sqlalchemy",
    "http",
    "ssl",
}


def modules(folder: str = "") -> list[Path]:
    return sorted((SOURCE / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every module a file imports, and the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "tocsin":
                for alias in node.names:
                    yield f"tocsin.{alias.name}", node.lineno
            else:
                yield node.module, node.lineno


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the dotted name of every call, and the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_every_folder_has_its_rule() -> None:
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == set(MAY_IMPORT)


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_point_one_way(layer: str) -> None:
    allowed = MAY_IMPORT[layer] | {layer}
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in modules(layer)
        for module, line in imports(path)
        if module.startswith("tocsin.") and module.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", ["protocols", "domain"])
def test_protocols_and_domain_do_no_input_or_output(layer: str) -> None:
    allowed = {"asyncio"} if layer == "domain" else set()  # the domain awaits its store
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in modules(layer)
        for module, line in imports(path)
        if module.split(".")[0] in (NOT_IN_PURE | WEB_LIBRARIES) - allowed
    ]
    assert wrong == []


def test_pydantic_and_the_web_framework_stay_in_web_and_settings() -> None:
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in modules()
        if not name(path).startswith(("web/", "settings"))
        for module, line in imports(path)
        if module.split(".")[0] in WEB_LIBRARIES
    ]
    assert wrong == []


def test_sql_stays_in_storage_and_at_the_root() -> None:
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in modules()
        if "/" in name(path) and not name(path).startswith("storage/")
        for module, line in imports(path)
        if module.split(".")[0] in {"sqlalchemy", "alembic", "sqlite3", "asyncpg"}
    ]
    assert wrong == []


def test_only_the_picture_worker_and_the_simulators_load_the_picture_libraries() -> None:
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in modules()
        if name(path) not in PICTURE_MODULES
        for module, line in imports(path)
        if module.split(".")[0] in PICTURE_LIBRARIES
    ]
    assert wrong == []


def test_only_the_picture_worker_loads_what_decodes() -> None:
    decoding = {
        f"tocsin.{one.removesuffix('.py').replace('/', '.')}" for one in PICTURE_MODULES if one.startswith("media/")
    }
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in modules()
        if name(path) not in PICTURE_MODULES | {PICTURE_WORKER}
        for module, line in imports(path)
        if module in decoding | {"tocsin.media.picture_worker"}
    ]
    assert wrong == []
    assert decoding & {module for module, _ in imports(SOURCE / PICTURE_WORKER)}


def test_the_server_does_not_load_the_simulators() -> None:
    at_the_root = {"demo.py", "cli.py"}
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in modules()
        if not name(path).startswith("sim/") and name(path) not in at_the_root
        for module, line in imports(path)
        if module.startswith("tocsin.sim")
    ]
    assert wrong == []


CLOCK_CALLS = {"time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "datetime.now"}
CLOCK_CALLS |= {
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "time.localtime",
    "time.gmtime",
}
ID_CALLS = {"uuid.uuid1", "uuid.uuid4", "uuid.uuid5", "uuid4", "secrets.token_urlsafe", "secrets.token_hex"}


def test_only_the_clock_reads_the_clock() -> None:
    allowed = {"base/clock.py", "base/ids.py"}  # an id of version 7 carries its time
    wrong = [
        f"{name(path)}:{line} calls {call}"
        for path in modules()
        if name(path) not in allowed
        for call, line in calls(path)
        if call in CLOCK_CALLS
    ]
    assert wrong == []


def test_only_ids_makes_ids() -> None:
    wrong = [
        f"{name(path)}:{line} calls {call}"
        for path in modules()
        if name(path) != "base/ids.py"
        for call, line in calls(path)
        if call in ID_CALLS
    ]
    assert wrong == []


def test_nothing_is_left_for_later() -> None:
    words = ("TODO", "FIXME", "XXX", "NotImplementedError", "for now")
    wrong = [
        f"{name(path)}:{number}: {line.strip()}"
        for path in modules()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if any(word in line for word in words)
    ]
    assert wrong == []
