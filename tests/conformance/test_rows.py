"""Every point of the GB/T 28181 checklist has a row, and breaking its rule on purpose turns a test of the row red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.checklist import ROOT, Break, Row, load, problems

TESTS_FAILED = 1
# Only the one plugin these tests need: the others take longer to load than most rows to run.
PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-x",
    "-q",
    "--no-header",
    "-p",
    "no:cacheprovider",
    "-p",
    "pytest_asyncio.plugin",
)
QUICK = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
ROWS = load()


def test_every_point_of_the_checklist_has_its_row() -> None:
    assert problems(ROWS) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_rule_broken_on_purpose_is_noticed(row: Row, tmp_path: Path) -> None:
    for number, item in enumerate(row.breaks):
        source = tmp_path / str(number)
        _copy_with(item, source)
        done = subprocess.run(
            [*PYTEST, *row.tests],
            cwd=ROOT,
            env={**os.environ, **QUICK, "PYTHONPATH": str(source)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        shutil.rmtree(source)
        assert done.returncode == TESTS_FAILED, (
            f"{row.id}, break {number + 1} in {item.file}: "
            f"{'nothing noticed it' if done.returncode == 0 else f'pytest ended with {done.returncode}'}\n"
            f"{done.stdout[-2000:]}{done.stderr[-500:]}"
        )


def _copy_with(item: Break, target: Path) -> None:
    """Lay a copy of the source tree with one text changed: links to the files as they are, one file of its own."""
    source = ROOT / "src"
    changed = (ROOT / item.file).resolve()
    for folder, folders, files in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True)
        if "__pycache__" in folders:  # compiled files go by the time of their source: the changed one is read anew
            (place / "__pycache__").symlink_to(Path(folder) / "__pycache__")
        folders[:] = [name for name in folders if name not in ("__pycache__", "static")]
        for name in files:
            path = Path(folder) / name
            if path.resolve() == changed:
                text = path.read_text(encoding="utf-8")
                (place / name).write_text(text.replace(item.old, item.new), encoding="utf-8")
            else:
                (place / name).symlink_to(path)
