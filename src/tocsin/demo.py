"""`tocsin demo`: a server and the town of Hewan on loopback, started together, ended together."""

from __future__ import annotations

import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import IO, Final

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.doctor import STATIC
from tocsin.folder import is_served, prepare_folder, write_private
from tocsin.hewan import open_town
from tocsin.settings import Settings, load_settings

HOST: Final = "127.0.0.1"
READY_WITHIN_S: Final = 60.0
POLL_S: Final = 0.1
END_TOWN_S: Final = 6.0
END_SERVER_S: Final = 15.0
LOG_LINES_SHOWN: Final = 25
MOST_RECORDED_MB: Final = 4096
RTP_RANGES: Final = ("25000-29999", "20000-24999", "15000-19999", "10600-14999")
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What was asked for. `port` None takes 8080, or a free one when that is busy."""

    data: Path
    port: int | None = None
    seed: int = 1
    duration_s: float | None = None
    is_quiet: bool = False


def run_demo(plan: DemoPlan) -> int:
    """Seed the data folder once, start server and town, print the sign-in, wait for the end. Returns an exit status.

    Errors: INVALID for a folder or port that cannot be used; UNAVAILABLE when something is missing or does not start.
    """
    if find_spec("av") is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the demo draws its pictures with PyAV: install tocsin[picture]")
    if not (STATIC / "index.html").exists():
        raise TocsinError(ErrorCode.UNAVAILABLE, "the console is not built: run `make console` in the checkout")
    prepare_folder(plan.data)
    if is_served(plan.data):
        raise TocsinError(ErrorCode.CONFLICT, f"a server already works in {plan.data.absolute()}; end it first")
    settings = _settings(plan)
    with _told_to_end() as end:
        town = open_town(settings, lambda wanted: _free("camera", wanted, tcp=True))
        write_private(plan.data / "town.json", town.for_simulators(settings))
        write_private(plan.data / "demo.json", town.for_reader(settings))
        return _run(plan, settings, town.sign_in, end)


# --- settings and ports -----------------------------------------------------------------------------------------------


def _settings(plan: DemoPlan) -> Settings:
    """Return settings on loopback; a port of ours that is busy is replaced by a free one, and said so."""
    given = load_settings(environ={k: v for k, v in os.environ.items() if k != "TOCSIN_DATA"})
    if plan.port is not None and not _is_free(plan.port, tcp=True):
        raise TocsinError(ErrorCode.INVALID, f"port {plan.port} is busy: choose another with --port")
    overrides = {
        "server.data": plan.data,
        "server.host": HOST,
        "server.port": plan.port or _free("web", given.server.port, tcp=True),
        "dc09.host": HOST,
        "dc09.port": _free("DC-09", given.dc09.port, tcp=True, udp=True),
        "jt808.host": HOST,
        "jt808.port": _free("JT/T 808", given.jt808.port, tcp=True),
        "sip.host": HOST,
        "sip.port": _free("SIP", given.sip.port, tcp=True, udp=True),
        "media.host": HOST,
        "media.port": _free("pictures", given.media.port, tcp=True),
        "media.rtp_ports": _free_range(given.media.rtp_ports),
        "recording.reserve_mb": _reserve_mb(plan.data, given.recording.reserve_mb),
    }
    return load_settings(environ={k: v for k, v in os.environ.items() if k != "TOCSIN_DATA"}, overrides=overrides)


def _environment(settings: Settings) -> dict[str, str]:
    """Return the variables under which the server finds these settings."""
    environment = {k: v for k, v in os.environ.items() if k != "TOCSIN_DATA"}
    server, dc09, sip, media = settings.server, settings.dc09, settings.sip, settings.media
    environment.update(
        TOCSIN_SERVER__DATA=str(server.data.absolute()),
        TOCSIN_SERVER__HOST=server.host,
        TOCSIN_SERVER__PORT=str(server.port),
        TOCSIN_DC09__HOST=dc09.host,
        TOCSIN_DC09__PORT=str(dc09.port),
        TOCSIN_JT808__HOST=settings.jt808.host,
        TOCSIN_JT808__PORT=str(settings.jt808.port),
        TOCSIN_SIP__HOST=sip.host,
        TOCSIN_SIP__PORT=str(sip.port),
        TOCSIN_MEDIA__HOST=media.host,
        TOCSIN_MEDIA__PORT=str(media.port),
        TOCSIN_MEDIA__RTP_PORTS=media.rtp_ports,
        TOCSIN_RECORDING__RESERVE_MB=str(settings.recording.reserve_mb),
    )
    return environment


def _reserve_mb(data: Path, least_mb: int) -> int:
    """Return what recordings have to leave free, such that those of the demo take `MOST_RECORDED_MB`."""
    there = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    recorded = sum(path.stat().st_size for path in (data / "recordings").rglob("*.mp4"))
    room_mb = (shutil.disk_usage(there).free + recorded) >> 20
    return max(least_mb, room_mb - MOST_RECORDED_MB)


def _is_free(port: int, *, tcp: bool = False, udp: bool = False) -> bool:
    kinds = [kind for kind, wanted in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)) if wanted]
    for kind in kinds:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


def _free(name: str, wanted: int, *, tcp: bool = False, udp: bool = False) -> int:
    if wanted and _is_free(wanted, tcp=tcp, udp=udp):
        return wanted
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if _is_free(port, tcp=tcp, udp=udp):
            if wanted:
                print(f"port {wanted} ({name}) is busy, using {port}")
            return port
    raise TocsinError(ErrorCode.UNAVAILABLE, f"no free port for {name}")


def _free_range(wanted: str) -> str:
    for ports in (wanted, *RTP_RANGES):
        first = int(ports.partition("-")[0])
        if all(_is_free(port, tcp=True, udp=True) for port in range(first, first + 8)):
            if ports != wanted:
                print(f"ports {wanted} (RTP) are busy, using {ports}")
            return ports
    return wanted


# --- processes --------------------------------------------------------------------------------------------------------


class _End:
    """Set by SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


@contextmanager
def _told_to_end() -> Iterator[_End]:
    end = _End()
    before = {number: signal.signal(number, end.set) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(plan: DemoPlan, settings: Settings, sign_in: tuple[str, str], end: _End) -> int:
    clock = SystemClock()
    log_path = plan.data / "demo.log"
    with ExitStack() as stack:
        log = stack.enter_context(log_path.open("ab"))
        log_path.chmod(0o600)
        server = stack.enter_context(_child(["serve"], _environment(settings), log, END_SERVER_S))
        if not _wait_ready(settings, server, end, clock):
            if end.is_set:
                return 0
            _show_log(log_path)
            raise TocsinError(ErrorCode.UNAVAILABLE, f"the server did not become ready; its log is {log_path}")
        command = ["simulate", "town", "--data", str(plan.data.absolute()), "--seed", str(plan.seed)]
        if plan.is_quiet:
            command.append("--quiet")
        town = stack.enter_context(_child(command, _without_settings(), log, END_TOWN_S))
        _welcome(settings, sign_in, plan)
        ends_s = None if plan.duration_s is None else clock.monotonic() + plan.duration_s
        while not end.is_set and (ends_s is None or clock.monotonic() < ends_s):
            for name, process in (("server", server), ("town", town)):
                if process.poll() is not None:
                    _show_log(log_path)
                    raise TocsinError(
                        ErrorCode.UNAVAILABLE,
                        f"the {name}'s process ended with status {process.returncode}; its log is {log_path}",
                    )
            time.sleep(POLL_S)
        print("ending", flush=True)
    return 0


@contextmanager
def _child(
    arguments: list[str], environment: dict[str, str], log: IO[bytes], patience_s: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a tocsin command beside us; end it with SIGTERM, and with SIGKILL after `patience_s`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C reaches us alone: the town signs off before the server ends
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end_with_parent() -> None:
    """Ask the kernel to end this child when the demo is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}


def _wait_ready(settings: Settings, server: subprocess.Popen[bytes], end: _End, clock: SystemClock) -> bool:
    limit_s = clock.monotonic() + READY_WITHIN_S
    while clock.monotonic() < limit_s and not end.is_set and server.poll() is None:
        if _is_ready(settings.server.port):
            return True
        time.sleep(POLL_S)
    return False


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def address(settings: Settings) -> str:
    """Return where the console is."""
    return f"http://{HOST}:{settings.server.port}"


def _welcome(settings: Settings, sign_in: tuple[str, str], plan: DemoPlan) -> None:
    username, password = sign_in
    lines = [
        "",
        "Tocsin: the town of Hewan · 警钟：河湾",
        f"  address · 地址    {address(settings)}/",
        f"  user · 用户       {username}",
        f"  password · 密码   {password}",
        f"  also in · 另存于  {plan.data / 'demo.json'}",
        "",
    ]
    if not plan.is_quiet:
        lines.append("In about twenty seconds somebody breaks in at Xinhua School. · 约二十秒后新华学校有警情。")
    lines.append("Ctrl-C ends it. · 按 Ctrl-C 结束。")
    print("\n".join(lines), flush=True)


def _show_log(path: Path) -> None:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(lines[-LOG_LINES_SHOWN:]), file=sys.stderr)
