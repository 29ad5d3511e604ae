"""Figures for Prometheus: requests, the store, the feed, media and tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class RequestMetrics:
    """Counts requests by method, route and status, and how long they took."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0

    def note(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one request; `route` is the template, never the address asked for."""
        self._counts[(method if method in _METHODS else "other", route, status)] += 1
        self._sum_s += duration_s
        for index, bound_s in enumerate(BUCKETS_S):
            if duration_s <= bound_s:
                self._buckets[index] += 1
                return
        self._buckets[-1] += 1

    def metrics(self) -> Iterator[Metric]:
        """Yield the metric families."""
        requests = CounterMetricFamily(
            "tocsin_http_requests", "Requests answered", labels=("method", "route", "status")
        )
        for (method, route, status), count in sorted(self._counts.items()):
            requests.add_metric((method, route, str(status)), count)
        yield requests
        text = "Time to answer a request"
        yield histogram("http_request_duration_seconds", text, BUCKETS_S, self._buckets, self._sum_s)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a gauge without labels; `name` without the prefix."""
    family = GaugeMetricFamily(f"tocsin_{name}", text)
    family.add_metric((), value)
    return family


def gauge_of(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a gauge with one label; `name` without the prefix."""
    family = GaugeMetricFamily(f"tocsin_{name}", text, labels=(label,))
    for value_of, value in values.items():
        family.add_metric((value_of,), value)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """Return a counter without labels; `name` without prefix and `_total`."""
    family = CounterMetricFamily(f"tocsin_{name}", text)
    family.add_metric((), value)
    return family


def histogram(name: str, text: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """Return a histogram; `counts` has one entry for each bound and one for what lies beyond."""
    below, buckets = 0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        below += count
        buckets.append((bound, below))
    family = HistogramMetricFamily(f"tocsin_{name}", text)
    family.add_metric((), buckets, total)
    return family


class _Collector:
    def __init__(self, sources: Iterable[Callable[[], Iterable[Metric]]]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            yield from source()


def render(sources: Iterable[Callable[[], Iterable[Metric]]]) -> bytes:
    """Return the Prometheus text of every source."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(sources))
    return generate_latest(registry)
