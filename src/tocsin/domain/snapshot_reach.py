"""Whether cameras can reach the address they are told to upload to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Protocol
from urllib.parse import urlsplit

from tocsin.base.words import Words
from tocsin.domain.directory import Channel

UNSET: Final = "snapshot.address_unset"
LOOPBACK: Final = "snapshot.address_loopback"
REFUSED: Final = "snapshot.address_refused"

WORDS: Final = Words(
    {
        UNSET: (
            "Cameras cannot upload pictures: snapshots.upload_url is not set, and the address used instead can be "
            "reached from this machine alone. The administrator sets it to an address cameras reach.",
            "摄像机无法上传抓图：未设置 snapshots.upload_url，而替代地址只能从本机访问。"
            "请管理员填写摄像机可访问的地址。",
        ),
        LOOPBACK: (
            "Cameras cannot upload pictures: snapshots.upload_url can be reached from this machine alone. The "
            "administrator sets it to an address cameras reach.",
            "摄像机无法上传抓图：snapshots.upload_url 只能从本机访问。请管理员改为摄像机可访问的地址。",
        ),
        REFUSED: (
            "Cameras cannot upload pictures: the host of the upload address is not in server.allowed_hosts, so this "
            "server would refuse them.",
            "摄像机无法上传抓图：上传地址的主机名未列入 server.allowed_hosts，会被本服务器拒绝。",
        ),
    }
)


def is_local(host: str) -> bool:
    """Tell whether a host name or address means this machine, or none in particular."""
    name = host.strip("[]").partition("%")[0].lower()
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def upload_problem(url: str, peers: Iterable[str], allowed: frozenset[str], *, is_set: bool) -> str:
    """Return the key of why cameras at `peers` cannot upload to `url`; empty when nothing speaks against it.

    `allowed` are the host names the server answers to; empty when that is not known.
    """
    host = urlsplit(url).hostname or ""
    name = f"[{host}]" if ":" in host else host
    if not is_local(host):
        return REFUSED if allowed and name.lower() not in allowed else ""
    if all(is_local(peer) for peer in peers):
        return ""
    return LOOPBACK if is_set else UNSET


class Uploaders(Protocol):
    """The connected devices that upload; a gateway implements it."""

    def peer_of(self, channel: Channel) -> str:
        """Return the address its device was last heard from; empty when it is not connected or does not upload."""

    def peers(self) -> Iterable[str]:
        """Return the addresses of all that are connected."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The address cameras are told, and who must reach it; `is_set` when people wrote it into the settings."""

    url: str
    uploaders: Uploaders
    allowed: frozenset[str] = frozenset()
    is_set: bool = True

    def problem(self) -> str:
        """Return the key of why devices that are connected now cannot upload; empty when nothing speaks against it."""
        return upload_problem(self.url, self.uploaders.peers(), self.allowed, is_set=self.is_set)

    def problem_of(self, channel: Channel) -> str:
        """Return the same of one camera; empty for one that does not upload."""
        peer = self.uploaders.peer_of(channel)
        return upload_problem(self.url, [peer], self.allowed, is_set=self.is_set) if peer else ""
