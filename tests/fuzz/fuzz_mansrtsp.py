"""Fuzz target: MANSRTSP bodies both ways."""

from tocsin.protocols.gb28181.mansrtsp import (
    BadSteering,
    Pause,
    Play,
    Steered,
    Teardown,
    read_steered,
    read_steering,
    steered_body,
    steering_body,
)

SEEDS: list[bytes] = [
    steering_body(Play(), 1),
    steering_body(Play(npt_s=99.5), 2),
    steering_body(Play(scale=-1), 3),
    steering_body(Pause(), 4),
    steering_body(Teardown(), 5),
    steered_body(Steered(200, 4, 2.0, 100.0, 77, 90_000)),
]


def run_one(data: bytes) -> None:
    """Read the bytes as an act and as an answer; an act that was read means the same when written again."""
    read_steered(data)
    found = read_steering(data)
    if isinstance(found, BadSteering):
        return
    again = read_steering(steering_body(found[0], found[1] or 0))
    assert not isinstance(again, BadSteering)
    assert type(again[0]) is type(found[0])
