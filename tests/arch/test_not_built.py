"""The line of docs/not-built.md: no module, table, column or setting is about recognising or following people."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tocsin.settings import known_settings
from tocsin.storage import tables

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tocsin"

FORBIDDEN = (
    "face",
    "facial",
    "biometric",
    "gait",
    "plate",
    "licence_plate",
    "license_plate",
    "anpr",
    "alpr",
    "person",
    "pedestrian",
    "watchlist",
    "blacklist",
    "whitelist_person",
    "suspect",
    "emotion",
    "ethnicity",
    "gender",
    "reidentification",
    "reid",
    "voiceprint",
    "sentiment",
    "profiling",
    "social_score",
)
WORD = re.compile(r"(?:^|_)(" + "|".join(FORBIDDEN) + r")s?(?:_|$)")


def forbidden(name: str) -> bool:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return WORD.search(snake) is not None


def test_the_test_itself_sees_what_it_looks_for() -> None:
    assert forbidden("face")
    assert forbidden("FaceMatcher")
    assert forbidden("plates")
    assert forbidden("watchlist_entries")
    assert not forbidden("interface")
    assert not forbidden("template")
    assert not forbidden("personal_note")


def test_no_module_is_about_recognising_or_following_people() -> None:
    wrong = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.suffix in {".py", ""} and forbidden(path.stem)
    ]
    assert wrong == []


def test_no_table_or_column_is_about_recognising_or_following_people() -> None:
    names = [table.name for table in tables.metadata.tables.values()]
    names += [f"{column.table.name}.{column.name}" for t in tables.metadata.tables.values() for column in t.columns]
    assert [name for name in names if forbidden(name.rpartition(".")[2])] == []


def test_no_class_or_function_is_about_recognising_or_following_people() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and forbidden(node.name)
    ]
    assert wrong == []


def test_no_setting_is_about_recognising_or_following_people() -> None:
    assert [name for name, _ in known_settings() if forbidden(name.partition(".")[2])] == []


def test_no_dependency_recognises_people() -> None:
    libraries = ("face", "insightface", "dlib", "deepface", "openalpr", "mediapipe", "torch", "tensorflow", "onnx")
    names = re.findall(r"^([a-z0-9_-]+)==", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    assert [
        name for name in names if any(name == library or name.startswith(f"{library}-") for library in libraries)
    ] == []
