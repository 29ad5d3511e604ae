"""How simulated units move: along closed beats, and by the streets to where they are sent. Pure: distance is given."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tocsin.base.geo import distance_m

Position = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Path:
    """A line of positions (lon, lat in degrees) with the metres from its start to each."""

    points: tuple[Position, ...]
    marks_m: tuple[float, ...]

    @property
    def length_m(self) -> float:
        """How long it is."""
        return self.marks_m[-1]

    def at(self, metres: float) -> Position:
        """Return the position so many metres along; its end beyond the end."""
        if metres >= self.length_m:
            return self.points[-1]
        for (start, end), (start_m, end_m) in zip(pairwise(self.points), pairwise(self.marks_m), strict=True):
            if metres < end_m:
                share = (max(metres, 0.0) - start_m) / (end_m - start_m)
                return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
        return self.points[-1]

    def round(self, metres: float) -> Position:
        """Return the position on a closed path, walked again and again."""
        return self.at(metres % self.length_m) if self.length_m else self.points[0]


def make_path(points: Sequence[Position]) -> Path:
    """Return the path of at least one position; repeated positions count once. Errors: ValueError for none."""
    kept = [point for k, point in enumerate(points) if k == 0 or point != points[k - 1]]
    if not kept:
        raise ValueError("a path needs a position")
    marks = [0.0]
    for start, end in pairwise(kept):
        marks.append(marks[-1] + distance_m(*start, *end))
    return Path(tuple(kept), tuple(marks))


class Streets:
    """Crossings and the streets between them."""

    def __init__(self, nodes: Sequence[Position], edges: Sequence[tuple[int, int]]) -> None:
        self._nodes = tuple(nodes)
        self._neighbours: dict[int, list[tuple[int, float]]] = {index: [] for index in range(len(nodes))}
        for a, b in edges:
            length_m = distance_m(*self._nodes[a], *self._nodes[b])
            self._neighbours[a].append((b, length_m))
            self._neighbours[b].append((a, length_m))

    def way(self, start: Position, end: Position) -> Path:
        """Return the shortest way: to the nearest crossing, by the streets, from the last crossing to the end.

        A way that is shorter on foot than to any crossing goes straight.
        """
        if not self._nodes:
            return make_path([start, end])
        first, last = self._nearest(start), self._nearest(end)
        if first == last or distance_m(*start, *end) < distance_m(*start, *self._nodes[first]):
            return make_path([start, end])
        return make_path([start, *(self._nodes[index] for index in self._shortest(first, last)), end])

    def _nearest(self, position: Position) -> int:
        return min(range(len(self._nodes)), key=lambda index: distance_m(*position, *self._nodes[index]))

    def _shortest(self, first: int, last: int) -> list[int]:
        best = {first: 0.0}
        before: dict[int, int] = {}
        waiting = [(0.0, first)]
        while waiting:
            so_far_m, index = heapq.heappop(waiting)
            if index == last:
                break
            if so_far_m > best[index]:
                continue
            for neighbour, length_m in self._neighbours[index]:
                total_m = so_far_m + length_m
                if total_m < best.get(neighbour, float("inf")):
                    best[neighbour] = total_m
                    before[neighbour] = index
                    heapq.heappush(waiting, (total_m, neighbour))
        if last not in best:
            return [first, last]
        way = [last]
        while way[-1] != first:
            way.append(before[way[-1]])
        return way[::-1]
