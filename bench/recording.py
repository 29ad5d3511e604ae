"""recorder: cameras recorded continuously by one worker, what of the written bytes is picture, and ffmpeg beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.harness import cpu_s, free_port, pss_mb
from bench.relay_core import child, end
from bench.report import Bench
from tocsin.base.clock import SystemClock
from tocsin.domain.recorder_told import RecordOrder, SegmentClosed, VolumeOrder
from tocsin.media.link import MediaLink
from tocsin.media.link_words import MediaSettings
from tocsin.media.segment_file import examine

CAMERAS = 150
BESIDE = 60
SEGMENT_S = 10
SETTLE_S = 4.0
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
c=IN IP4 127.0.0.1
t=0 0
m=video {port} RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}
"""
PICTURE = {"bitrate_bps": 2_000_000, "width": 1280, "height": 720}


def run(seconds: float) -> Mapping[str, float]:
    """Measure a full worker, then one beside ffmpeg on the same cameras at the same time."""
    return {**asyncio.run(full(CAMERAS, seconds)), **asyncio.run(beside(BESIDE, seconds))}


async def full(cameras: int, seconds: float) -> Mapping[str, float]:
    """Return what a core records of cameras over UDP, and how much of what is written is pictures."""
    async with _worker() as (link, folder, closed):
        ports = []
        for number in range(cameras):
            endpoint = await link.open_receiver(f"cam{number}", "udp", ssrc=number + 1, peer_ip="127.0.0.1")
            ports.append(endpoint.port)
            await link.recorders.record_start(_order(number))
        senders = await child("bench.streams", json.dumps({"transport": "udp", "ports": ports, **PICTURE}))
        assert senders.stdout is not None
        await senders.stdout.readline()
        pid = link.health()[0].pid
        await asyncio.sleep(SETTLE_S)
        used_s, elapsed_s = await _used([pid], seconds)
        lost = sum(row.lost for row in await link.stats())
        await end(senders)
        for number in range(cameras):
            await link.recorders.record_stop(f"cam{number}", "stopped")
        async with asyncio.timeout(60):
            while sum(told.end_reason == "stopped" for told in closed) < cameras:
                await asyncio.sleep(0.1)
        written = _written_bytes(pid)
        payload = sum(_payload_bytes(path) for path in folder.rglob("*.mp4"))
        pictures = sum(told.pictures for told in closed)
    return {
        "cameras": cameras,
        "cameras_per_core": cameras * elapsed_s / used_s,
        "payload_share": payload / written,
        "pictures": pictures,
        "segments": len(closed),
        "lost_packets": lost,
    }


async def beside(cameras: int, seconds: float) -> Mapping[str, float]:
    """Return a worker and ffmpeg processes recording the same cameras at the same time: bare H.264, RTP by UDP."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise RuntimeError("ffmpeg is not installed")
    async with _worker() as (link, folder, _):
        ours_at = []
        for number in range(cameras):
            endpoint = await link.open_receiver(f"cam{number}", "udp", ssrc=number + 1, peer_ip="127.0.0.1")
            await link.recorders.record_start(_order(number))
            ours_at.append(endpoint.port)
        ports = list(zip(ours_at, _port_pairs(cameras), strict=True))
        senders = await child("bench.rtp_streams", json.dumps({"ports": ports, **PICTURE}))
        assert senders.stdin is not None
        assert senders.stdout is not None
        sets = ",".join(json.loads(await senders.stdout.readline()))
        peers = []
        for number, (_, port) in enumerate(ports):
            made = folder / f"peer{number}"
            made.mkdir()
            (made / "camera.sdp").write_text(SDP.format(port=port, sets=sets))
            peers.append(
                await asyncio.create_subprocess_exec(
                    *(ffmpeg, "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,udp,rtp"),
                    *("-i", str(made / "camera.sdp"), "-c", "copy", "-f", "segment", "-segment_time", str(SEGMENT_S)),
                    *("-reset_timestamps", "1", str(made / "%d.mp4")),
                )
            )
        await asyncio.sleep(1.0)
        senders.stdin.write(b"go\n")
        await asyncio.sleep(SETTLE_S + 4.0)
        loop = asyncio.get_running_loop()
        pid, pids, at_s = link.health()[0].pid, [peer.pid for peer in peers], loop.time()
        ours_s, theirs_s = cpu_s([pid]), cpu_s(pids)
        await asyncio.sleep(seconds)
        ours_s, theirs_s, elapsed_s = cpu_s([pid]) - ours_s, cpu_s(pids) - theirs_s, loop.time() - at_s
        ours_mb, theirs_mb = pss_mb(pid), sum(pss_mb(peer) for peer in pids)
        for peer in peers:
            peer.send_signal(signal.SIGINT)
        await asyncio.gather(*(peer.wait() for peer in peers))
        recorded = sum(bool(list((folder / f"peer{number}").glob("*.mp4"))) for number in range(cameras))
        ours = {path.parent.parent.name for path in (folder / "volume").rglob("*.mp4")}
        await end(senders)
    if min(recorded, len(ours)) < cameras:
        raise RuntimeError(f"of {cameras} cameras ffmpeg recorded {recorded} and the worker {len(ours)}")
    return {
        "beside": cameras,
        "beside_cameras_per_core": cameras * elapsed_s / ours_s,
        "ffmpeg_cameras_per_core": cameras * elapsed_s / theirs_s,
        "versus_ffmpeg": theirs_s / ours_s,
        "memory_mb_a_camera": ours_mb / cameras,
        "ffmpeg_memory_mb_a_camera": theirs_mb / cameras,
    }


def _port_pairs(count: int) -> list[int]:
    """Return even ports that nobody holds just now, nor the one behind each."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            port = free_port() & ~1
            with contextlib.suppress(OSError):
                for number in (port, port + 1):
                    made = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    made.bind(("127.0.0.1", number))
                found.append(port)
    return found


def _order(number: int) -> RecordOrder:
    return RecordOrder(f"cam{number}", f"cam{number}", "main", (1,), segment_s=SEGMENT_S, offset_s=number % SEGMENT_S)


@asynccontextmanager
async def _worker() -> AsyncIterator[tuple[MediaLink, Path, list[SegmentClosed]]]:
    """Run a worker with one volume; yield what it tells of segments that ended."""
    closed: list[SegmentClosed] = []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        link = MediaLink(MediaSettings(folder / "run", port=0, rtp_low=0, rtp_high=0), SystemClock())
        await link.start()
        link.recorders.events.on_segment_closed = closed.append
        try:
            volume = VolumeOrder(1, "bench", "bench", str(folder / "volume"), may_enter=True)
            await link.recorders.volumes_set([volume])
            yield link, folder, closed
        finally:
            await link.stop()


async def _used(pids: list[int], seconds: float) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    before_s, at_s = cpu_s(pids), loop.time()
    await asyncio.sleep(seconds)
    return cpu_s(pids) - before_s, loop.time() - at_s


def _written_bytes(pid: int) -> int:
    """Return what a process has caused to be written to the disk since it began."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise RuntimeError("the system does not count what a process writes")


def _payload_bytes(path: Path) -> int:
    """Return the bytes of pictures in a segment, without what the file puts around them."""
    found = examine(path)
    return sum(group.size_bytes - 96 for group in found.groups) - 12 * found.pictures


BENCH = Bench(
    "recorder",
    f"{CAMERAS} cameras of 2 Mbit/s (PS over RTP by UDP, key frame each second) recorded continuously by one worker "
    f"into segments of {SEGMENT_S} s, its writer thread and the kernel included; `payload_share` of the bytes it caused"
    f" to be written to the disk is pictures; then {BESIDE} cameras (bare H.264 over RTP by UDP) recorded by a worker "
    "and by one `ffmpeg -c copy -f segment` each, at the same time, `versus_ffmpeg` the CPU of theirs over ours",
    run,
    {
        "cameras_per_core": {"at_least": 300},
        "payload_share": {"at_least": 0.95},
        "versus_ffmpeg": {"at_least": 1},
    },
    seconds=15.0,
)
