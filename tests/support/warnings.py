"""A public warning in two languages, with everything CAP can say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tocsin.protocols.cap.alert import Alert, Area, Circle, Info, Resource

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
FLOOD = Alert(
    "hewan-2026-1127-1",
    "water@hewan.example",
    NOW,
    source="gauge 3",
    codes=("profile:1",),
    note="first",
    incidents="flood",
    infos=(
        Info(
            ("Met", "Safety"),
            "Flood",
            "Immediate",
            "Severe",
            "Observed",
            "en-US",
            ("Evacuate",),
            event_codes=(("SAME", "FFW"),),
            effective=NOW,
            onset=NOW,
            expires=NOW + timedelta(hours=6),
            sender_name="Water office",
            headline="Flood at the river <gate> & below",
            description="Water rises 10 cm an hour.",
            instruction="Go up the hill.",
            web="https://hewan.example/flood",
            contact="12345",
            parameters=(("level_m", "4.2"),),
            resources=(Resource("map", "image/png", 120, "https://hewan.example/m.png", "ab" * 20),),
            areas=(
                Area(
                    "Lower town",
                    (((31.0, 121.0), (31.0, 121.2), (31.1, 121.2), (31.0, 121.0)),),
                    (Circle(31.05, 121.1, 2.5),),
                    (("code", "330110"),),
                    10.0,
                    300.0,
                ),
            ),
        ),
        Info(
            ("Met",), "洪水", "Immediate", "Severe", "Observed", "zh-CN", headline="河闸下游洪水", areas=(Area("下城"),)
        ),
    ),
)
