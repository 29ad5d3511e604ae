"""PyAV links GPL code: only the simulators and the picture worker may import it, and its absence is said plainly."""

import ast
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "tocsin"
MAY_IMPORT = {
    "sim/street.py",
    "sim/aac_tone.py",
    "sim/picture_faults.py",
    "media/picture_measures.py",
    "media/picture_reference.py",
    "media/picture_decoding.py",
    "media/picture_examination.py",
}
BANNED = {"av", "numpy", "PIL"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_only_what_draws_and_sounds_and_the_picture_worker_import_the_picture_extra():
    offenders = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if BANNED & set(imports(path))
    } - MAY_IMPORT
    assert offenders == set()


def test_without_the_extra_the_message_says_what_to_install():
    script = (
        "import sys\n"
        "sys.modules['av'] = None\n"
        "import tocsin.media.worker, tocsin.media.relay\n"
        "from tocsin.sim.picture import PictureSpec, make_sender\n"
        "try:\n"
        "    make_sender(PictureSpec())\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE.parent), "PATH": ""},
        timeout=30,
    )
    assert "tocsin[picture]" in made.stdout
