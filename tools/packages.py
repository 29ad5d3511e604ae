"""Find the programs the test suite needs from the distribution; install those that are missing where that is allowed.

Runs on a bare python3: standard library only. Exit status 0 only when nothing is missing.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Need:
    """One thing the suite needs: what for, how to see it, and Debian's package."""

    name: str
    purpose: str
    package: str
    is_there: Callable[[], bool]


def _program(*names: str) -> Callable[[], bool]:
    path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    return lambda: any(shutil.which(name, path=path) for name in names)


def _postgresql() -> bool:
    return _program("initdb")() or bool(glob.glob("/usr/lib/postgresql/*/bin/initdb"))


def _chinese_font() -> bool:
    if not _program("fc-list")():
        return False
    listed = subprocess.run(["fc-list", ":lang=zh", "family"], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip())


NEEDS = (
    Need("PostgreSQL server", "the same storage tests on the scale-out store", "postgresql", _postgresql),
    Need("Chromium", "the console's flows in a real browser", "chromium", _program("chromium", "chromium-browser")),
    Need("a Chinese font", "Chinese labels in the browser's screenshots", "fonts-noto-cjk fontconfig", _chinese_font),
    Need("Mosquitto", "an MQTT broker as an independent peer", "mosquitto", _program("mosquitto")),
    Need("SIPp", "drives the SIP side as an independent peer", "sip-tester", _program("sipp")),
    Need(
        "GStreamer's RTSP server",
        "serves our RTSP client as an independent peer",
        "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
        " gstreamer1.0-plugins-bad",
        lambda: _gst_rtsp(),
    ),
    Need("ffmpeg and ffprobe", "demuxes and decodes our streams as an independent peer", "ffmpeg", _program("ffprobe")),
    Need("a C compiler", "builds the shim of the power-cut test", "gcc libc6-dev", _program("gcc", "cc")),
)


def _gst_rtsp() -> bool:
    """Debian's own Python sees the RTSP server of GStreamer."""
    script = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    command = ["/usr/bin/python3", "-c", script]
    return os.path.exists(command[0]) and not subprocess.run(command, capture_output=True, check=False).returncode


def missing() -> list[Need]:
    """Return what is not there."""
    return [need for need in NEEDS if not need.is_there()]


def install(needs: list[Need]) -> None:
    """Install Debian's packages of `needs`, as root or through sudo without a password."""
    if not _program("apt-get")():
        return
    prefix: list[str] = []
    if os.geteuid() != 0:
        if (
            not _program("sudo")()
            or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
        ):
            return
        prefix = ["sudo", "-n"]
    packages = " ".join(need.package for need in needs).split()
    print(f"installing from the distribution: {' '.join(packages)}", flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    environment["PATH"] = os.pathsep.join([environment.get("PATH", ""), *SYSTEM_FOLDERS])
    quiet = {"env": environment, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    subprocess.run([*prefix, "apt-get", "update", "-qq"], check=False, **quiet)  # type: ignore[call-overload]
    command = [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    subprocess.run(command, check=False, **quiet)  # type: ignore[call-overload]


def main() -> int:
    """Look, install, look again."""
    absent = missing()
    if absent and "--check" not in sys.argv:
        install(absent)
        absent = missing()
    for need in absent:
        print(f"missing: {need.name} (needed: {need.purpose}); Debian: apt-get install {need.package}", file=sys.stderr)
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
