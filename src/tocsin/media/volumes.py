"""All volumes a worker records into: which of them takes a stream now, and why none does.

Source: design note 0017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tocsin.base.clock import Clock
from tocsin.domain.recorder_told import VolumeOrder
from tocsin.media.volume import GAP_OF, Volume


class Volumes:
    """All volumes of a worker, by number."""

    def __init__(
        self, clock: Clock, post: Callable[[Callable[[], None]], None], say: Callable[[Volume], None], **how: float
    ) -> None:
        self._clock = clock
        self._post = post
        self._say = say
        self._how = how
        self._by_no: dict[int, Volume] = {}
        self._retired: list[Volume] = []

    def __iter__(self) -> Iterator[Volume]:
        return iter(tuple(self._by_no.values()))

    def get(self, no: int) -> Volume | None:
        """Return a volume by its number."""
        return self._by_no.get(no)

    def set(self, orders: list[VolumeOrder]) -> None:
        """Use these volumes and no others; one whose order changed ends what it writes and is opened anew."""
        wanted = {order.no: order for order in orders}
        for no, volume in list(self._by_no.items()):
            if wanted.get(no) != volume.spec:
                volume.end()
                self._retired.append(self._by_no.pop(no))
        for no, order in wanted.items():
            if no not in self._by_no:
                self._by_no[no] = Volume(order, self._clock, self._post, self._say, **self._how)  # type: ignore[arg-type]

    def choose(self, numbers: tuple[int, ...]) -> Volume | None:
        """Return the first of some volumes that is well, else the first that is only slow."""
        known = [volume for volume in map(self._by_no.get, numbers) if volume is not None]
        for state in ("ok", "slow"):
            for volume in known:
                if volume.state == state:
                    return volume
        return None

    def reason(self, numbers: tuple[int, ...]) -> str:
        """Return the reason of the gap when none of some volumes takes anything."""
        states = [volume.state for volume in map(self._by_no.get, numbers) if volume is not None]
        return GAP_OF.get(states[0], "disk_gone") if states else "disk_gone"

    def tick(self) -> None:
        """Once a second."""
        for volume in self:
            volume.tick()

    def close(self, timeout_s: float) -> bool:
        """End every thread behind what is queued; whether all ended in time."""
        volumes = [*self._by_no.values(), *self._retired]
        for volume in volumes:
            volume.end()
        until_s = self._clock.monotonic() + timeout_s
        in_time = [volume.join(max(0.0, until_s - self._clock.monotonic())) for volume in volumes]
        return all(in_time)
