"""How fast a device may be asked to send a download. Pure.

    <VideoParamOpt><DownloadSpeed>1/2/4</DownloadSpeed></VideoParamOpt>

What the device says counts. One that says nothing is asked for what its edition knows: the older one has no such line
in its offer and sends at the pace of the recording.

Source: GB/T 28181, ConfigDownload and VideoParamOpt; the offer's downloadspeed attribute.
"""

from __future__ import annotations

import re
from typing import Final

FASTEST: Final = 32
MOST_SPEEDS: Final = 8
USUAL: Final = (1, 2, 4)
OLDEST: Final = (1,)
_NUMBERS: Final = re.compile(r"\d{1,3}", re.ASCII)


def download_speeds(told: str, edition: str) -> tuple[int, ...]:
    """Return the speeds in ascending order, always with 1; `told` is DownloadSpeed, `edition` the X-GB-ver header."""
    said = {int(one) for one in _NUMBERS.findall(told[:64])}
    known = sorted(speed for speed in said if 1 <= speed <= FASTEST)[:MOST_SPEEDS]
    if known:
        return tuple(sorted({1, *known}))
    return OLDEST if edition.strip().startswith("1") else USUAL
