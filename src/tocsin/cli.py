"""The `tocsin` command. Exit status: 0 it holds, 1 it failed or does not hold, 2 asked wrongly, 130 interrupted."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin import __version__
from tocsin.base.errors import ErrorCode, TocsinError

if TYPE_CHECKING:
    from tocsin.settings import Settings

FAILED = 1
ASKED_WRONGLY = 2
INTERRUPTED = 130
SLOW_AFTER_S = 2.0
MOST_LINES = 60  # of an import shown to a person
IMPORT_COLUMNS = ("line", "kind", "name", "outcome")

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = make_parser(words[0] if words else "").parse_args(words)
    command: Command = arguments.run
    try:
        return command(arguments)
    except TocsinError as error:
        print(f"tocsin: {error.detail}", file=sys.stderr)
        return ASKED_WRONGLY if error.code is ErrorCode.INVALID else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def make_parser(asked: str = "") -> argparse.ArgumentParser:
    """Return the parser of every command; what is slow to load is left out when another command is `asked` for."""
    parser = argparse.ArgumentParser(
        prog="tocsin",
        description="Open alarm-and-video platform for control rooms. `tocsin COMMAND --help` tells more.",
    )
    parser.add_argument("--version", action="version", version=f"tocsin {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_demo(commands)
    _add_simulate(commands, is_whole=asked in ("", "simulate"))
    _add_user(commands)
    _add_import(commands)
    _add_profiles(commands)
    _add_recordings(commands)
    _add_backup(commands)
    _add_doctor(commands)
    _add_verify(commands)
    return parser


# --- what commands share ----------------------------------------------------------------------------------------------


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: $TOCSIN_CONFIG)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder (default: $TOCSIN_DATA, else server.data)"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _settings(arguments: argparse.Namespace) -> Settings:
    from tocsin.settings import load_settings

    return load_settings(arguments.config, overrides={"server.data": arguments.data})


def print_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a table, or as a JSON list."""
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console(soft_wrap=not sys.stdout.isatty(), highlight=False).print(table)


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return "" if value is None else str(value)


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function `(done, total)` that shows a bar once work takes over two seconds; silent without a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    from tocsin.base.clock import SystemClock

    clock = SystemClock()
    started_s = clock.monotonic()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(title, total=None)

    def _advance(done: int, total: int) -> None:
        if not bar.live.is_started and clock.monotonic() - started_s > SLOW_AFTER_S:
            bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield _advance
    finally:
        bar.stop()


# --- serve ------------------------------------------------------------------------------------------------------------


def _add_serve(commands: Any) -> None:
    parser = commands.add_parser("serve", help="run the server", description="Run the server until it is told to end.")
    _add_settings(parser)
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    from tocsin import app
    from tocsin.base.log import set_up_log
    from tocsin.folder import FolderLock, prepare_folder

    settings = _settings(arguments)
    as_json = {"auto": None, "json": True, "text": False}[settings.log.format]
    set_up_log(settings.log.level, as_json=as_json)
    prepare_folder(settings.data)
    with FolderLock(settings.data):
        return int(app.run(settings) or 0)


# --- demo -------------------------------------------------------------------------------------------------------------


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="start the demo town of Hewan",
        description="Start a server on loopback with the simulated town of Hewan; Ctrl-C ends both.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="data folder (default: $TOCSIN_DATA, else ./demo-data), kept",
    )
    parser.add_argument("--port", type=int, metavar="N", help="web port (default: 8080, or a free one when it is busy)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of what happens in town (default: 1)")
    parser.add_argument("--duration", type=float, metavar="S", help="end by itself after so many seconds")
    parser.add_argument("--quiet-town", action="store_true", help="connect the devices, raise no alarm by itself")
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from tocsin.demo import DemoPlan, run_demo

    data = arguments.data or Path(os.environ.get("TOCSIN_DATA") or "demo-data")
    return run_demo(
        DemoPlan(
            data=data,
            port=arguments.port,
            seed=arguments.seed,
            duration_s=arguments.duration,
            is_quiet=arguments.quiet_town,
        )
    )


# --- simulate ---------------------------------------------------------------------------------------------------------


def _add_simulate(commands: Any, *, is_whole: bool) -> None:
    parser = commands.add_parser(
        "simulate",
        help="be a panel, a camera or the town",
        description="Be a device: the sender side of our codecs. The last line on stdout is one JSON object: "
        "what was sent, acknowledged and refused, with latencies in ms.",
    )
    if is_whole:
        from tocsin.sim import run as sim

        sim.add_arguments(parser.add_subparsers(metavar="KIND", required=True))


# --- users ------------------------------------------------------------------------------------------------------------


def _add_user(commands: Any) -> None:
    from tocsin import user_commands

    parser = commands.add_parser("user", help="add, list and disable users; set passwords; make tokens")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    user_commands.add_arguments(actions, _add_settings, _add_json, _settings, print_rows)


# --- import -----------------------------------------------------------------------------------------------------------


def _add_import(commands: Any) -> None:
    parser = commands.add_parser(
        "import",
        help="read places, devices, cameras, zones, links, accounts and what they hold from a CSV or XLSX file",
        description="Read places, devices, cameras, zones, links, accounts and what they hold from a CSV (UTF-8 or "
        "GB18030) or XLSX file; the first line names the columns, in English or Chinese. What is there and differs is "
        "changed; the same file twice does nothing. Nothing is kept when a line is wrong. The columns are in the "
        "guides: registry, accounts.",
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE.csv|xlsx")
    parser.add_argument("--list", action="store_true", help="list the imports of the last day that can be taken back")
    parser.add_argument(
        "--undo",
        metavar="ID",
        help="take an import back: what it made is retired, what it changed is as before; what was changed or used "
        "since is left and named; with --check only said",
    )
    parser.add_argument(
        "--check", "--dry-run", dest="check", action="store_true", help="say what would be done, change nothing"
    )
    parser.add_argument("--errors", type=Path, metavar="FILE.csv|xlsx", help="write the lines that are wrong there")
    parser.add_argument(
        "--template",
        choices=("place", "device", "camera", "zone", "link", "account", "contact", "note", "position", "password"),
        help="write an empty file with the columns of this kind to FILE instead",
    )
    parser.add_argument("--language", choices=("en", "zh-CN"), default="en", help="of the template's column names")
    _add_settings(parser)
    _add_json(parser)
    parser.set_defaults(run=_import)


def _import(arguments: argparse.Namespace) -> int:
    from tocsin.imports import import_file, list_imports, undo_import, write_template

    if arguments.list:
        columns = ("id", "file", "kind", "by", "entered_at", "until", "lines", "taken_back")
        print_rows(list_imports(_settings(arguments)), columns, as_json=arguments.json)
        return 0
    if arguments.undo:
        *left, counts = undo_import(_settings(arguments), arguments.undo, is_check=arguments.check)
        if arguments.json:
            print(json.dumps({**counts, "lines": left}, ensure_ascii=False))
            return 0
        if left:
            print_rows(left, ("line", "kind", "name", "why"), as_json=False)
        verb = "would be taken back" if arguments.check else "taken back"
        print(f"{counts['taken_back']:,} {verb}, {counts['left']:,} left")
        return 0
    if arguments.file is None:
        raise TocsinError(ErrorCode.INVALID, "name the file to read: tocsin import FILE.csv|xlsx")
    if arguments.template:
        write_template(arguments.file, arguments.template, arguments.language)
        return 0
    settings = _settings(arguments)
    with progress_bar("entering") as progress:
        done = import_file(
            settings, arguments.file, is_check=arguments.check, errors_to=arguments.errors, progress=progress
        )
    print_rows(done if arguments.json else done[:MOST_LINES], IMPORT_COLUMNS, as_json=arguments.json)
    if not arguments.json:
        print_counts(done)
    return 0


def print_counts(done: Sequence[Mapping[str, object]]) -> None:
    """Print how many lines had each outcome, and how many are not in the table above."""
    counts: dict[str, int] = {}
    for row in done:
        outcome = str(row["outcome"])
        counts[outcome] = counts.get(outcome, 0) + 1
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items()) or "nothing to do"
    more = f" ({len(done) - MOST_LINES:,} lines are not shown; --json has all)" if len(done) > MOST_LINES else ""
    print(f"{said}{more}")


# --- profiles ---------------------------------------------------------------------------------------------------------


def _add_profiles(commands: Any) -> None:
    from tocsin import profile_commands

    profile_commands.add_arguments(commands, _add_settings, _add_json, _settings, print_rows)


def _add_recordings(commands: Any) -> None:
    from tocsin import recordings_commands

    recordings_commands.add_arguments(commands, _add_settings, _add_json, _settings, print_rows)


# --- backup -----------------------------------------------------------------------------------------------------------


def _add_backup(commands: Any) -> None:
    parser = commands.add_parser(
        "backup",
        help="copy the data folder, beside a running server",
        description="Write database, audit.heads, secret.key and the pictures cameras took into a new folder and check "
        "the copy. The backup holds the key that opens device secrets: keep it as you keep the server. Restoring: the "
        "guide, backup.",
    )
    parser.add_argument(
        "target", type=Path, nargs="?", default=Path("backups"), metavar="DIR", help="(default: backups)"
    )
    parser.add_argument("--without-snapshots", action="store_true", help="leave out the pictures cameras took")
    _add_settings(parser)
    _add_json(parser)
    parser.set_defaults(run=_backup)


def _backup(arguments: argparse.Namespace) -> int:
    from tocsin.backup import make_backup
    from tocsin.base.clock import SystemClock

    with progress_bar("copying the database") as advance:
        made = make_backup(
            _settings(arguments),
            arguments.target,
            at=SystemClock().now(),
            version=__version__,
            progress=advance,
            with_snapshots=not arguments.without_snapshots,
        )
    checked = made.audit.checked if made.audit is not None else None
    if arguments.json:
        print(json.dumps({"folder": str(made.folder), "sha256": made.files, "audit_records": checked}))
        return 0
    print(f"backup written to {made.folder}")
    if checked is not None:
        print(f"its audit chain holds: {checked} records")
    return 0


# --- doctor -----------------------------------------------------------------------------------------------------------


def _add_doctor(commands: Any) -> None:
    parser = commands.add_parser("doctor", help="look over this installation and say what is wrong")
    _add_settings(parser)
    _add_json(parser)
    parser.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from tocsin.base.clock import SystemClock
    from tocsin.doctor import examine
    from tocsin.doctor_words import Verdict

    findings = list(examine(_settings(arguments), SystemClock().now()))
    rows = [{"check": f.name, "verdict": f.verdict.value, "detail": f.detail} for f in findings]
    print_rows(rows, ("check", "verdict", "detail"), as_json=arguments.json)
    return FAILED if any(f.verdict is Verdict.PROBLEM for f in findings) else 0


# --- verify -----------------------------------------------------------------------------------------------------------


def _add_verify(commands: Any) -> None:
    parser = commands.add_parser("verify", help="check what must not have been changed")
    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    audit = kinds.add_parser(
        "audit",
        help="the audit chain",
        description="Check every link of the chain and compare it with audit.heads. Exit status 0 only when it holds.",
    )
    audit.add_argument(
        "path", type=Path, nargs="?", metavar="PATH", help="data or backup folder (default: server.data)"
    )
    _add_settings(audit)
    _add_json(audit)
    audit.set_defaults(run=_verify_audit)
    files = kinds.add_parser(
        "files",
        help="kept snapshots and downloads",
        description="Compare each kept file with the hash its audit record holds. Exit status 0 only when all are as "
        "they came. A backup holds snapshots alone.",
    )
    files.add_argument(
        "path", type=Path, nargs="?", metavar="PATH", help="data or backup folder (default: server.data)"
    )
    _add_settings(files)
    _add_json(files)
    files.set_defaults(run=_verify_files)
    stones = kinds.add_parser(
        "tombstones",
        help="what is left of deleted recordings",
        description="Check number, signature and audit record of every tombstone with signing.pub of the folder. Exit "
        "status 0 only when all hold. `tocsin verify audit` checks the chain their records are in.",
    )
    stones.add_argument(
        "path", type=Path, nargs="?", metavar="PATH", help="data or backup folder (default: server.data)"
    )
    stones.add_argument("--key", type=Path, metavar="FILE", help="public key (default: signing.pub of the folder)")
    _add_settings(stones)
    _add_json(stones)
    stones.set_defaults(run=_verify_tombstones)


def _verify_files(arguments: argparse.Namespace) -> int:
    from tocsin.kept_files import check_files, kept_files
    from tocsin.verification import with_connection

    folder: Path
    if arguments.path is not None:
        folder = arguments.path
        if not folder.is_dir():
            raise TocsinError(ErrorCode.INVALID, f"{folder} is not a folder")
        url = f"sqlite:///{folder.absolute() / 'tocsin.sqlite3'}"
    else:
        settings = _settings(arguments)
        folder, url = settings.data, settings.storage_url
    is_backup = (folder / "manifest.json").exists()

    def _kept() -> list[Any]:
        return with_connection(url, lambda connection: kept_files(connection, with_downloads=not is_backup))

    with progress_bar("checking files") as advance:
        report = check_files(_kept(), folder, lambda one: one in _kept(), advance)
    if arguments.json:
        print(json.dumps({"holds": report.holds, "checked": report.checked, "problems": list(report.problems)}))
    else:
        for problem in report.problems:
            print(problem)
        said = "all are as they came" if report.holds else f"{len(report.problems)} problem(s)"
        print(f"{report.checked} kept files: {said}")
    return 0 if report.holds else FAILED


def _verify_tombstones(arguments: argparse.Namespace) -> int:
    from tocsin.verification import verify_tombstones

    if arguments.path is not None:
        folder: Path = arguments.path
        if not folder.is_dir():
            raise TocsinError(ErrorCode.INVALID, f"{folder} is not a folder")
        url, key = f"sqlite:///{folder.absolute() / 'tocsin.sqlite3'}", folder / "signing.pub"
    else:
        settings = _settings(arguments)
        url, key = settings.storage_url, settings.signing_key_path.with_suffix(".pub")
    report = verify_tombstones(url, arguments.key or key)
    if arguments.json:
        problems = [{"no": problem.no, "what": problem.what} for problem in report.problems]
        shown = {"holds": report.holds, "checked": report.checked, "segments": report.segments, "bytes": report.bytes}
        print(json.dumps({**shown, "problems": problems}))
    else:
        for problem in report.problems:
            print(problem.what)
        said = "all hold" if report.holds else f"{len(report.problems)} problem(s)"
        print(f"{report.checked} tombstones of {report.segments} deleted segments ({report.bytes} bytes): {said}")
    return 0 if report.holds else FAILED


def _verify_audit(arguments: argparse.Namespace) -> int:
    from tocsin.verification import verify_audit

    if arguments.path is not None:
        folder: Path = arguments.path
        if not folder.is_dir():
            raise TocsinError(ErrorCode.INVALID, f"{folder} is not a folder")
        url, heads = f"sqlite:///{folder.absolute() / 'tocsin.sqlite3'}", folder / "audit.heads"
    else:
        settings = _settings(arguments)
        url, heads = settings.storage_url, settings.heads_path

    with progress_bar("checking the chain") as advance:

        def _watch(records: Any, total: int) -> Iterator[Any]:
            for done, record in enumerate(records, start=1):
                if done % 1_000 == 0:
                    advance(done, total)
                yield record

        report = verify_audit(url, heads, _watch)
    if arguments.json:
        problems = [{"seq": problem.seq, "what": problem.what} for problem in report.problems]
        shown = {"holds": report.holds, "checked": report.checked, "head": report.head_seq, "hash": report.head_hash}
        print(json.dumps({**shown, "problems": problems}))
    elif report.holds:
        print(f"the audit chain holds: {report.checked} records, head {report.head_seq} {report.head_hash}")
    else:
        for problem in report.problems:
            print(problem.what)
        print(f"the audit chain does not hold: {len(report.problems)} problem(s) in {report.checked} records")
    return 0 if report.holds else FAILED
