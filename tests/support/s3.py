"""An S3 server of its own for tests: rclone over a folder, with signed requests, on loopback."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.storage.tier_s3 import S3Config

KEY, SECRET = "house", "a-secret-of-the-house"
_AT = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server; its buckets are folders of `root`."""

    root: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def config(self) -> S3Config:
        """Return how it is reached."""
        return S3Config(f"http://127.0.0.1:{self.port}", access_key=KEY, secret_key=SECRET)


@contextmanager
def s3_server(root: Path, port: int = 0) -> Iterator[S3Server]:
    """Serve the folders of `root` as buckets until left."""
    beside = Path(sys.executable).parent / "rclone"
    program = str(beside) if beside.exists() else shutil.which("rclone")
    assert program, "rclone is among the development requirements"
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    command += ["--config", "/dev/null", "--dir-cache-time", "1ms", str(root)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := _AT.search(line):
                yield S3Server(root, int(found[1]), process)
                return
        raise AssertionError("the S3 server did not start")
    finally:
        process.kill()
        process.wait()
