"""A town for benches and crash tests, entered through the API like anybody's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.harness import Server


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel that the server knows."""

    device_id: str
    account: str
    key: bytes
    place: str


def enter_panels(server: Server, count: int, *, places: int, encrypted_share: float = 0.5) -> list[Panel]:
    """Enter `places` places and `count` panels with accounts 00001, 00002, ...; every second one with a key."""
    jurisdiction = _jurisdiction(server)
    with ThreadPoolExecutor(8) as pool:
        place_ids = list(
            pool.map(
                lambda n: server.call(
                    "POST",
                    "/places",
                    {
                        "jurisdiction_id": jurisdiction,
                        "name": f"地点{n:04d}",
                        "name_en": f"Place {n:04d}",
                        "class": "shop",
                        "lon": 118.30 + n % 40 * 0.001,
                        "lat": 31.30 + n // 40 * 0.001,
                    },
                )["id"],
                range(places),
            )
        )
        every = 0 if encrypted_share <= 0 else round(1 / encrypted_share)

        def _enter(n: int) -> Panel:
            device = server.call(
                "POST",
                "/devices",
                {
                    "kind": "panel",
                    "protocol": "dc09",
                    "name": f"主机{n:05d}",
                    "name_en": f"Panel {n:05d}",
                    "jurisdiction_id": jurisdiction,
                    "place_id": place_ids[n % places],
                    "address": {"account": f"{n:05d}"},
                },
            )
            key = b""
            if every and n % every == 0:
                key = n.to_bytes(4, "big") * 4
                server.call("PUT", f"/devices/{device['id']}/secret", {"key_hex": key.hex()})
            return Panel(device["id"], f"{n:05d}", key, place_ids[n % places])

        return list(pool.map(_enter, range(1, count + 1)))


def _jurisdiction(server: Server) -> str:
    return str(server.call("GET", "/jurisdictions?limit=1")["items"][0]["id"])
