"""A PostgreSQL cluster of our own for the tests: loopback, a free port, a temporary folder, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def find_binary(name: str) -> str:
    """Return the path of a PostgreSQL program; Debian keeps the server's in a folder of the version."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = str(places[0]) if places else shutil.which(name)
    if not found:
        raise RuntimeError(f"{name} is missing: install the package postgresql")
    return found


def as_server_user() -> list[str]:
    """Return the prefix that runs a command as somebody who may be a PostgreSQL server: root may not."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    raise RuntimeError("neither user postgres nor nobody exists")


@dataclass(frozen=True)
class Cluster:
    """A cluster that may be killed and started again on its port."""

    url: str
    _start: tuple[str, ...]
    _data: Path
    _environment: dict[str, str]

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        subprocess.run(self._start, check=True, capture_output=True, env=self._environment, cwd=self._data.parent)

    def kill(self) -> None:
        """Kill the postmaster and every process of its own, as a machine short of memory does."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(Path(f"/proc/{pid}/exe").exists() for pid in (postmaster, *children)):
            time.sleep(0.01)
        (self._data / "postmaster.pid").unlink()  # where nobody waits for orphans, its number would look alive


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """Run a cluster and yield the URL of its database `postgres`."""
    with own_cluster() as running:
        yield running.url


@contextlib.contextmanager
def own_cluster() -> Iterator[Cluster]:
    """Run a cluster and yield it."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
    prefix = as_server_user()
    data = folder / "data"
    try:
        if prefix:
            uid, gid = (int(word.split("=")[1]) for word in prefix[1:3])
            os.chown(folder, uid, gid)
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        subprocess.run(
            [*prefix, find_binary("initdb"), "-D", str(data), "-U", "tocsin", "-A", "trust", "-E", "UTF8", "-N"],
            check=True,
            capture_output=True,
            env=environment,
            cwd=folder,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=60"
        )
        control = (*prefix, find_binary("pg_ctl"), "-D", str(data), "-w")
        start = (*control, "-l", str(folder / "log"), "-o", options, "start")
        running = Cluster(f"postgresql://tocsin@127.0.0.1:{port}/postgres", start, data, environment)
        running.start()
        try:
            yield running
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"],
                check=False,
                capture_output=True,
                env=environment,
                cwd=folder,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
