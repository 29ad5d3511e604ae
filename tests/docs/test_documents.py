"""Documents match the code: generated pages are current, links lead somewhere, both readmes say the same."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tocsin.cli import make_parser

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
INVOKED = re.compile(r"(?:`|^    |\$ )(?:\.venv/bin/)?tocsin ([a-z]+(?: [a-z]+)?)", re.MULTILINE)
COMMAND = re.compile(r"`((?:make|tocsin|\.venv/bin/tocsin) [^`]*|make)`")


def committed_files() -> list[Path]:
    """Return what git would put into a clone."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def documents() -> list[Path]:
    return [path for path in committed_files() if path.suffix == ".md" and "node_modules" not in path.parts]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documents_are_current() -> None:
    assert generator().stale() == [], "run: python docs/generate.py"


def test_every_link_leads_somewhere() -> None:
    wrong = []
    for path in documents():
        for target in LINK.findall(path.read_text(encoding="utf-8")):
            file = target.partition("#")[0]
            if not file or "://" in file or file.startswith("mailto:"):
                continue
            if not (path.parent / file).exists():
                wrong.append(f"{path.relative_to(ROOT)}: {target}")
    assert wrong == []


def test_every_anchor_is_a_heading() -> None:
    wrong = []
    for path in documents():
        for target in LINK.findall(path.read_text(encoding="utf-8")):
            file, _, anchor = target.partition("#")
            if not anchor or "://" in target:
                continue
            page = path.parent / file if file else path
            if page.exists() and anchor not in anchors(page):
                wrong.append(f"{path.relative_to(ROOT)}: {target}")
    assert wrong == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_both_readmes_have_the_same_shape() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    assert shape(english) == shape(chinese)


def shape(text: str) -> dict[str, object]:
    """Return what must be equal in every language: headings, table rows, commands, links, pictures."""
    body = text.replace("README.zh-CN.md", "").replace("README.md", "")
    return {
        "headings": [line.split(" ")[0] for line in text.splitlines() if line.startswith("#")],
        "rows": sum(line.startswith("|") for line in text.splitlines()),
        "commands": COMMAND.findall(text),
        "links": [link for link in LINK.findall(body) if link],
    }


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "docs/guide/install.md"])
def test_make_commands_in_documents_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = re.findall(r"`make ([a-z]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert set(named) <= targets


def test_tocsin_commands_in_documents_exist() -> None:
    known = subcommands()
    wrong = []
    for path in documents():
        for line in INVOKED.findall(path.read_text(encoding="utf-8")):
            words = line.split()
            if words[0] not in known or (known[words[0]] and len(words) > 1 and words[1] not in known[words[0]]):
                wrong.append(f"{path.relative_to(ROOT)}: tocsin {line}")
    assert wrong == []


def subcommands() -> dict[str, set[str]]:
    """Return each command with its own subcommands."""

    def choices(parser: object) -> dict[str, object]:
        for action in parser._actions:  # type: ignore[attr-defined]
            if action.choices and isinstance(action.choices, dict):
                return dict(action.choices)
        return {}

    return {name: set(choices(parser)) for name, parser in choices(make_parser()).items()}


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    split = [("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("npmjs", "org")]
    hosts = [".".join(parts) for parts in split]  # not written whole, so that this file does not name them either
    folders = [("", "root", ""), ("", "home", ""), ("", "work", "main"), ("", "tmp", "tocsin")]
    paths = ["/".join(parts) for parts in folders]
    wrong = []
    for path in committed_files():
        if path.suffix in {".png", ".woff2", ".bin", ".ico", ".jpg"} or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        wrong += [f"{path.relative_to(ROOT)}: {word}" for word in (*hosts, *paths) if word in text]
    assert wrong == []


def test_every_document_is_in_the_site() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    missing = [page for page in pages if page not in site and not page.startswith(("design/", "protocols/"))]
    assert missing == []


def test_the_licence_travels_with_the_code() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    for word in ("libx264", "libx265", "PyAV"):
        assert word in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_python_runs_the_generator_as_written() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


PATH_NAMED = re.compile(r"`((?:src|console|docs|tests|tools|bench|deploy)/[\w./-]+)`")
NAME_IN_FILE = re.compile(r"`([\w./-]+\.py)`, `(\w+)(?:\.(\w+))?`")
FUNCTION_IN_FILE = re.compile(r"`(?:(\w+)\.)?(\w+)` in\s+`(src/[\w./-]+\.py)`")


def test_every_file_a_document_names_is_there() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in documents()
        if "design" not in path.parts
        for name in PATH_NAMED.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists() and not (path.parent / name).exists()
    ]
    assert wrong == []


def test_every_function_the_tour_names_is_where_it_says() -> None:
    text = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    named = [(file, [first, second]) for file, first, second in NAME_IN_FILE.findall(text)]
    named += [(file, [first, second]) for first, second, file in FUNCTION_IN_FILE.findall(text)]
    assert len(named) > 10
    wrong = []
    for file, words in named:
        code = (ROOT / file).read_text(encoding="utf-8")
        wrong += [f"{file}: {word}" for word in words if word and not re.search(rf"(?:def|class) {word}\b", code)]
    assert wrong == []
