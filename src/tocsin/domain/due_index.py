"""What is due when: thousands of things, one entry each, and a look costs only what is due."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)
SPARE: Final = 64


class DueIndex(Generic[T]):
    """Things by when they are due, in seconds. One live entry each; replaced ones go before they outnumber those."""

    def __init__(self) -> None:
        self._due: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, item: T) -> bool:
        return item in self._due

    @property
    def size(self) -> int:
        """How many entries are held, live and replaced."""
        return len(self._heap)

    def put(self, item: T, due_s: float) -> None:
        """Say when a thing is due next."""
        self._due[item] = due_s
        self._count += 1
        heapq.heappush(self._heap, (due_s, self._count, item))
        if len(self._heap) > 2 * len(self._due) + SPARE:
            self._heap = [(due, number, one) for number, (one, due) in enumerate(self._due.items())]
            heapq.heapify(self._heap)

    def drop(self, item: T) -> None:
        """Forget a thing."""
        self._due.pop(item, None)

    def clear(self) -> None:
        """Forget everything."""
        self._due.clear()
        self._heap.clear()

    def take(self, now_s: float) -> list[T]:
        """Return what is due, the longest first; it is forgotten until it is put again."""
        found: list[T] = []
        heap = self._heap
        while heap and heap[0][0] <= now_s:
            due_s, _, item = heapq.heappop(heap)
            if self._due.get(item) == due_s:
                del self._due[item]
                found.append(item)
        return found
