"""`tocsin profiles`: the matrix of makers and models out of this installation and into another; beside a server too."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.base.errors import ErrorCode, TocsinError

if TYPE_CHECKING:
    from tocsin.domain.device_profiles import MatrixRow
    from tocsin.settings import Settings


class _NobodyListens:
    """In place of a directory: what a running server holds in memory it reads again at its next start."""

    async def refresh(self, *device_ids: str) -> None:
        """Do nothing."""


def add_arguments(
    commands: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    add_json: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Settings],
    print_rows: Callable[..., None],
) -> None:
    """Add `tocsin profiles`."""
    parser = commands.add_parser("profiles", help="what makes of devices were found to need: list, export, import")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    listed = actions.add_parser("list", help="makers, models and firmwares with what they need")
    add_settings(listed)
    add_json(listed)

    def _list(arguments: argparse.Namespace) -> int:
        rows = asyncio.run(_matrix(settings(arguments)))
        if arguments.json:
            from tocsin.domain.device_profiles import matrix_json

            sys.stdout.write(matrix_json(rows) + "\n")
            return 0
        shown = [{**row.form(), "needs": _needs(row)} for row in rows]
        print_rows(shown, ("maker", "model", "firmware", "devices", "needs"), as_json=False)
        return 0

    listed.set_defaults(run=_list)

    export = actions.add_parser("export", help="write the matrix to a file, or to the terminal")
    export.add_argument("file", type=Path, nargs="?", metavar="FILE.csv|json")
    export.add_argument("--format", choices=("csv", "json"), help="(default: by the file's name, else csv)")
    add_settings(export)

    def _export(arguments: argparse.Namespace) -> int:
        from tocsin.domain.device_profiles import matrix_csv, matrix_json

        rows = asyncio.run(_matrix(settings(arguments)))
        file: Path | None = arguments.file
        kind = arguments.format or ("json" if file is not None and file.suffix == ".json" else "csv")
        text = matrix_json(rows) + "\n" if kind == "json" else matrix_csv(rows)
        if file is None:
            sys.stdout.write(text)
            return 0
        try:
            file.write_text(text, encoding="utf-8-sig" if kind == "csv" else "utf-8", newline="")
        except OSError as error:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"{file}: {error.strerror}") from error
        sys.stdout.write(f"{len(rows)} makes, {sum(row.devices for row in rows)} devices written to {file}\n")
        return 0

    export.set_defaults(run=_export)

    taken = actions.add_parser(
        "import",
        help="take a matrix as first guesses for devices of the same maker and model",
        description="Take an exported matrix (CSV or JSON) as first guesses for devices of the same maker and model. "
        "What a device has shown itself stays. A running server uses them from its next start; the console's import "
        "(Devices, makers and models) at once.",
    )
    taken.add_argument("file", type=Path, metavar="FILE.csv|json")
    taken.add_argument("--check", action="store_true", help="say what would be taken, change nothing")
    add_settings(taken)
    add_json(taken)

    def _import(arguments: argparse.Namespace) -> int:
        done = asyncio.run(_take_in(settings(arguments), arguments.file, is_check=arguments.check))
        print_rows([done], ("rows", "guesses", "devices"), as_json=arguments.json)
        return 0

    taken.set_defaults(run=_import)


def _needs(row: MatrixRow) -> str:
    return "; ".join(f"{trait}={'|'.join(values)}" for trait, values in row.traits.items())


async def _matrix(settings: Settings) -> Sequence[MatrixRow]:
    from tocsin.domain.acts import house_actor
    from tocsin.domain.profile_service import ProfileService
    from tocsin.stores import open_store

    async with open_store(settings) as store:
        return await ProfileService(store, _NobodyListens()).matrix(actor=house_actor())


async def _take_in(settings: Settings, file: Path, *, is_check: bool) -> dict[str, int]:
    from tocsin.domain.acts import house_actor
    from tocsin.domain.device_profiles import MAX_MATRIX_BYTES
    from tocsin.domain.profile_service import ProfileService
    from tocsin.stores import open_store

    try:
        with file.open("rb") as source:
            data = source.read(4 * MAX_MATRIX_BYTES + 1)
    except OSError as error:
        raise TocsinError(ErrorCode.NOT_FOUND, f"{file}: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030", "replace")
    async with open_store(settings) as store:
        service = ProfileService(store, _NobodyListens())
        return await service.take_in(text, actor=house_actor(), is_check=is_check)
