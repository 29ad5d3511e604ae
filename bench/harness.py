"""The shipped server under a bench: started as a user would, driven through sockets, measured from outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
READY_TIMEOUT_S = 120.0
PASSWORD = "bench-Hewan-2611"  # noqa: S105  of a throw-away server on loopback


def free_port() -> int:
    """Return a port that nobody holds just now, below those the system gives to who connects.

    So none of many that try again takes it while the server is down.
    """
    while True:
        port = random.randrange(10_000, 25_000)
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


def machine() -> str:
    """Return one line that says what this was measured on."""
    model = platform.processor() or "unknown processor"
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"Python {platform.python_version()}, {platform.system()}"
    return f"{os.cpu_count()} cores, {model}, {memory_gib:.0f} GiB, {system}"


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of `values` do not exceed (nearest rank)."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.999999) - 1))]


def processes(root: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, []))
    return found


def cpu_s(pids: list[int]) -> float:
    """Return the CPU seconds that processes have used so far, kernel included."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(stat[11]) + int(stat[12])
    return total / TICKS_PER_S


def pss_mb(pid: int) -> float:
    """Return the proportional memory of a process in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


@dataclass
class Server:
    """A running `tocsin serve` at its default settings, on ports of its own."""

    data: Path
    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]
    token: str
    ready_ms: float
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def pids(self) -> list[int]:
        """The control process and its workers."""
        return processes(self.process.pid)

    def worker_pids(self) -> list[int]:
        """The media workers."""
        found = []
        for pid in self.pids:
            with contextlib.suppress(OSError):
                if b"tocsin.media.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def call(self, method: str, path: str, body: object = None, *, timeout_s: float = 60.0) -> Any:
        """Call the API and return the JSON answer. Errors: RuntimeError with the problem's text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["web"], timeout=timeout_s)
        try:
            connection.request(
                method,
                f"/api/v1{path}",
                None if body is None else json.dumps(body),
                {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            )
            response = connection.getresponse()
            text = response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {text[:500].decode(errors='replace')}")
            return json.loads(text) if text else None
        finally:
            connection.close()

    def every(self, path: str, **filters: object) -> Iterator[Any]:
        """Yield every item of a list, page by page."""
        after = None
        while True:
            query = {**filters, "limit": 500, **({"after": after} if after else {})}
            page = self.call("GET", path + "?" + "&".join(f"{key}={value}" for key, value in query.items()))
            yield from page["items"]
            after = page["next"]
            if after is None:
                return


def tocsin(*words: str, environment: Mapping[str, str], stdin: bytes = b"") -> str:
    """Run a `tocsin` command and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", *words], input=stdin, capture_output=True, env=dict(environment), check=False
    )
    if done.returncode:
        raise RuntimeError(f"tocsin {' '.join(words)}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode()


@contextlib.contextmanager
def server(
    *,
    data: Path | None = None,
    extra: Mapping[str, str] | None = None,
    roles: tuple[str, ...] = ("supervisor", "administrator"),
) -> Iterator[Server]:
    """Start the server on a fresh (or given) data folder, with a user of `roles` and a bearer token."""
    folder = data or Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    ports = {"web": free_port(), "media": free_port(), "dc09": free_port(), "sip": free_port(), "jt808": free_port()}
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("TOCSIN_")},
        "TOCSIN_SERVER__DATA": str(folder),
        "TOCSIN_SERVER__PORT": str(ports["web"]),
        "TOCSIN_MEDIA__PORT": str(ports["media"]),
        "TOCSIN_DC09__PORT": str(ports["dc09"]),
        "TOCSIN_JT808__PORT": str(ports["jt808"]),
        "TOCSIN_SIP__PORT": str(ports["sip"]),
    }
    stored = {name: value for name, value in (extra or {}).items() if name.startswith("TOCSIN_STORAGE__")}
    plain = {**environment, **stored}
    environment.update(extra or {})
    token_file = folder / "bench-token"
    if not token_file.exists():
        tocsin(
            "user",
            "add",
            "bench",
            "--name",
            "Bench",
            *_flags("--role", roles),
            "--new-jurisdiction",
            "340299 测试县",
            "--password-stdin",
            environment=plain,
            stdin=(PASSWORD + "\n").encode(),
        )
        token_file.write_text(tocsin("user", "token", "bench", environment=plain).split()[-1])
    log = (folder / "serve.log").open("ab")
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "tocsin", "serve"], env=environment, stdout=log, stderr=log)
    running = Server(folder, process, ports, token_file.read_text(), 0.0, environment)
    try:
        wait_ready(process, ports["web"], folder / "serve.log")
        running.ready_ms = (time.monotonic() - started) * 1000
        yield running
    finally:
        stop(running.process)  # the one that runs now: a crash test starts it again
        log.close()
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


def wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until `GET /readyz` answers 200. Errors: RuntimeError with the end of the log."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            finally:
                connection.close()
        time.sleep(0.02)
    raise RuntimeError(f"the server did not become ready: {log.read_text(errors='replace')[-3000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server as Ctrl-C would; after 15 s, by force."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _flags(name: str, values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in (name, value)]
