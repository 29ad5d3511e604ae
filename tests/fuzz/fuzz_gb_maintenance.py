"""Fuzz target: what cameras say of cards, home position, tours and aim, and how upgrades ended."""

from tocsin.protocols.gb28181.camera_state import (
    MAX_CARDS,
    MAX_POINTS,
    MAX_TRACKS,
    AimState,
    CruisePoint,
    CruiseTrack,
    SdCard,
    aim_response,
    cards_response,
    home_response,
    points_response,
    read_aim,
    read_cards,
    read_home,
    read_points,
    read_tracks,
    tracks_response,
)
from tocsin.protocols.gb28181.control import HomePosition
from tocsin.protocols.gb28181.maintenance import (
    Upgrade,
    UpgradeResult,
    format_command,
    read_format,
    read_upgrade,
    read_upgrade_result,
    upgrade_command,
    upgrade_result,
)
from tocsin.protocols.gb28181.manscdp import Document, parse_document

_ID, _SESSION = "34020000001320000001", "a" * 40
SEEDS: list[bytes] = [
    cards_response(1, _ID, [SdCard(1, "SD1", "formatting", 40, 131_072, 4_096), SdCard(2, "坏", "error")]),
    home_response(2, _ID, HomePosition(True, 60, 5)),
    tracks_response(3, _ID, [CruiseTrack(1, "巡航1"), CruiseTrack(2)]),
    points_response(4, _ID, CruiseTrack(1), [CruisePoint(5, 30, 7), CruisePoint(6)]),
    aim_response(5, _ID, AimState(12.5, -10.0, 2.0, 30.0, None, 200.0)),
    format_command(6, _ID, 1),
    upgrade_command(7, _ID, Upgrade("2.1", "http://h/fw?a=1&b=2", "Example", _SESSION)),
    upgrade_result(8, _ID, UpgradeResult(_SESSION, False, "2.0", "校验失败")),
]


def run_one(data: bytes) -> None:
    """Read the bytes as a document of each of these kinds."""
    document = parse_document(data)
    if not isinstance(document, Document):
        return
    cards = read_cards(document)
    assert len(cards) <= MAX_CARDS
    assert all(card.progress is None or 0 <= card.progress <= 100 for card in cards)
    home, points = read_home(document), read_points(document)
    assert home is None or 0 <= home.preset <= 255
    assert len(points) <= MAX_POINTS
    assert all(1 <= point.preset <= 255 for point in points)
    assert len(read_tracks(document)) <= 2 * MAX_TRACKS
    aim = read_aim(document)
    assert aim is None or aim.pan_deg is None or 0 <= aim.pan_deg <= 360
    card = read_format(document)
    assert card is None or card >= 0
    upgrade, result = read_upgrade(document), read_upgrade_result(document)
    assert upgrade is None or 32 <= len(upgrade.session) <= 128
    assert result is None or len(result.reason) <= 128
