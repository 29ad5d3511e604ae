"""A tone as AAC, as the microphone of a simulated camera sends it. Needs the extra `tocsin[picture]`."""

from __future__ import annotations

try:
    import av
    import numpy as np
except ImportError as error:
    raise ImportError("AAC needs the extra tocsin[picture]: pip install 'tocsin[picture]'") from error

from tocsin.protocols.rtp.audio import AAC_FRAME_SAMPLES


def aac_loop(rate_hz: int, tone_hz: int, count: int) -> tuple[bytes, list[bytes]]:
    """Return the AudioSpecificConfig and about `count` frames of a tone, mono."""
    coder = av.CodecContext.create("aac", "w")
    coder.sample_rate, coder.layout, coder.format, coder.bit_rate = rate_hz, "mono", "fltp", 32_000
    coder.open()
    frames: list[bytes] = []
    for number in range(count):
        at = (np.arange(AAC_FRAME_SAMPLES) + number * AAC_FRAME_SAMPLES) / rate_hz
        tone = (0.25 * np.sin(2 * np.pi * tone_hz * at)).astype(np.float32).reshape(1, -1)
        heard = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        heard.sample_rate, heard.pts = rate_hz, number * AAC_FRAME_SAMPLES
        frames += [bytes(packet) for packet in coder.encode(heard)]
    return bytes(coder.extradata or b""), frames
