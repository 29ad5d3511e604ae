"""Fragmented MP4: initialisation segments and fragments as browsers append them to a media source. Pure.

    ftyp moov(mvhd trak... mvex) | moof(mfhd traf...) mdat | ...

Source: ISO/IEC 14496-12, file format; ISO/IEC 14496-15, avcC and hvcC; the FLAC in ISO BMFF mapping (fLaC, dfLa).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tocsin.protocols.rtp import flac, h264, h265
from tocsin.protocols.rtp.access_unit import ParameterSets
from tocsin.protocols.rtp.audio import AacFormat

VIDEO_TRACK = 1
AUDIO_TRACK = 2
VIDEO_TIMESCALE = 90_000

_MATRIX = struct.pack("!9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_KEY_FLAGS = 0x02000000
_DELTA_FLAGS = 0x01010000

_one_sample_head = struct.Struct("!I4sI4sIII4sI4sIII4sIQI4sIIIIIII4s").pack
_sample = struct.Struct("!III").pack
_sample_with_offset = struct.Struct("!IIIi").pack


class Sample(NamedTuple):
    """One picture or audio frame as it stands in `mdat`; times in the track's units, `offset` = PTS - DTS."""

    data: bytes
    duration: int
    is_key: bool
    offset: int = 0


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """An audio track: `flac` for G.711 made lossless PCM, `aac` as received (with its AudioSpecificConfig)."""

    codec: str
    rate_hz: int
    channels: int = 1
    config: bytes = b""

    @classmethod
    def of_flac(cls, rate_hz: int) -> AudioTrack:
        """Return the track for 16-bit mono FLAC."""
        return cls("flac", rate_hz)

    @classmethod
    def of_aac(cls, aac: AacFormat) -> AudioTrack:
        """Return the track for AAC frames without ADTS headers."""
        return cls(f"mp4a.40.{aac.object_type}", aac.rate_hz, aac.channels, aac.config)


def mime_type(sets: ParameterSets, audio: AudioTrack | None = None) -> str:
    """Return the type a browser is asked for. Errors: ValueError without a readable SPS."""
    if sets.sps is None:
        raise ValueError("no sequence parameter set")
    codecs = sets.sps.codec if audio is None else f"{sets.sps.codec},{audio.codec}"
    return f'video/mp4; codecs="{codecs}"'


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return one box."""
    body = b"".join(parts)
    return struct.pack("!I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, flags: int, *parts: bytes, version: int = 0) -> bytes:
    return box(kind, struct.pack("!I", version << 24 | flags), *parts)


def init_segment(sets: ParameterSets, audio: AudioTrack | None = None, *, in_band: bool = False) -> bytes:
    """Return `ftyp` and `moov` for one video track and at most one audio track.

    `in_band` names the kinds of sample entry whose samples may hold parameter sets too.

    Errors: ValueError while the parameter sets are not complete.
    """
    if not sets.is_complete or sets.sps is None:
        raise ValueError("parameter sets are not complete")
    if isinstance(sets.sps, h264.Sps):
        entry = _avc1(sets, sets.sps, b"avc3" if in_band else b"avc1")
    else:
        entry = _hvc1(sets, sets.sps, b"hev1" if in_band else b"hvc1")
    tracks = [_video_track(sets.sps.width, sets.sps.height, entry)]
    extends = [_track_extends(VIDEO_TRACK)]
    if audio is not None:
        tracks.append(_audio_track(audio))
        extends.append(_track_extends(AUDIO_TRACK))
    movie = _full_box(
        b"mvhd",
        0,
        struct.pack("!IIII", 0, 0, 1000, 0),
        struct.pack("!IH10x", 0x10000, 0x0100),
        _MATRIX,
        struct.pack("!24xI", len(tracks) + 1),
    )
    return box(b"ftyp", b"iso5", struct.pack("!I", 0x200), b"iso5iso6mp41") + box(
        b"moov", movie, *tracks, box(b"mvex", *extends)
    )


def _track_extends(track: int) -> bytes:
    return _full_box(b"trex", 0, struct.pack("!IIIII", track, 1, 0, 0, 0))


def _track(track: int, size: tuple[int, int], timescale: int, handler: bytes, header: bytes, entry: bytes) -> bytes:
    is_audio = handler == b"soun"
    track_header = _full_box(
        b"tkhd",
        3,
        struct.pack("!IIIII8x", 0, 0, track, 0, 0),
        struct.pack("!HHHH", 0, 0, 0x0100 if is_audio else 0, 0),
        _MATRIX,
        struct.pack("!II", size[0] << 16, size[1] << 16),
    )
    media_header = _full_box(b"mdhd", 0, struct.pack("!IIIIHH", 0, 0, timescale, 0, 0x55C4, 0))
    name = b"sound\0" if is_audio else b"video\0"
    handler_box = _full_box(b"hdlr", 0, struct.pack("!I4s12x", 0, handler), name)
    location = box(b"dinf", _full_box(b"dref", 0, struct.pack("!I", 1), _full_box(b"url ", 1)))
    table = box(
        b"stbl",
        _full_box(b"stsd", 0, struct.pack("!I", 1), entry),
        _full_box(b"stts", 0, bytes(4)),
        _full_box(b"stsc", 0, bytes(4)),
        _full_box(b"stsz", 0, bytes(8)),
        _full_box(b"stco", 0, bytes(4)),
    )
    return box(b"trak", track_header, box(b"mdia", media_header, handler_box, box(b"minf", header, location, table)))


def _video_track(width: int, height: int, entry: bytes) -> bytes:
    header = _full_box(b"vmhd", 1, bytes(8))
    return _track(VIDEO_TRACK, (width, height), VIDEO_TIMESCALE, b"vide", header, entry)


def _visual_entry(kind: bytes, width: int, height: int, config: bytes) -> bytes:
    return box(
        kind,
        struct.pack("!6xH16xHHIIIH32xHH", 1, width, height, 0x480000, 0x480000, 0, 1, 0x0018, 0xFFFF),
        config,
    )


def _avc1(sets: ParameterSets, sps: h264.Sps, kind: bytes) -> bytes:
    sps_list, pps_list = sets.of_kind(h264.SPS), sets.of_kind(h264.PPS)
    first = sets.of_kind(h264.SPS)[0]
    parts = [bytes((1, first[1], first[2], first[3], 0xFF, 0xE0 | min(len(sps_list), 31)))]
    parts += [struct.pack("!H", len(nal)) + nal for nal in sps_list[:31]]
    parts.append(bytes((len(pps_list),)))
    parts += [struct.pack("!H", len(nal)) + nal for nal in pps_list]
    if first[1] in (100, 110, 122, 144):
        parts.append(bytes((0xFC | sps.chroma_format, 0xF8 | sps.luma_bits - 8, 0xF8 | sps.chroma_bits - 8, 0)))
    return _visual_entry(kind, sps.width, sps.height, box(b"avcC", *parts))


def _hvc1(sets: ParameterSets, sps: h265.Sps, kind: bytes) -> bytes:
    return _visual_entry(kind, sps.width, sps.height, box(b"hvcC", hevc_config(sets, sps)))


def hevc_config(sets: ParameterSets, sps: h265.Sps) -> bytes:
    """Return the HEVC decoder configuration record with one array for each kind of parameter set."""
    parts = [
        b"\x01",
        sps.profile,
        b"\xf0\x00\xfc",
        bytes((0xFC | sps.chroma_format, 0xF8 | sps.luma_bits - 8, 0xF8 | sps.chroma_bits - 8)),
        b"\x00\x00",
        bytes((sps.temporal_layers << 3 | sps.is_nested << 2 | 3, 3)),
    ]
    for kind in (h265.VPS, h265.SPS, h265.PPS):
        nals = sets.of_kind(kind)
        parts.append(struct.pack("!BH", 0x80 | kind, len(nals)))
        parts += [struct.pack("!H", len(nal)) + nal for nal in nals]
    return b"".join(parts)


def _audio_track(audio: AudioTrack) -> bytes:
    fixed = struct.pack("!6xH8xHH4xI", 1, audio.channels, 16, audio.rate_hz << 16)
    if audio.codec == "flac":
        info = flac.stream_info(audio.rate_hz)
        entry = box(b"fLaC", fixed, _full_box(b"dfLa", 0, b"\x80" + len(info).to_bytes(3, "big"), info))
    else:
        entry = box(b"mp4a", fixed, _elementary_descriptor(audio.config))
    return _track(AUDIO_TRACK, (0, 0), audio.rate_hz, b"soun", _full_box(b"smhd", 0, bytes(4)), entry)


def _elementary_descriptor(config: bytes) -> bytes:
    def descriptor(tag: int, body: bytes) -> bytes:
        return bytes((tag, 0x80, 0x80, 0x80, len(body))) + body

    decoder = descriptor(4, b"\x40\x15" + bytes(11) + descriptor(5, config))
    return _full_box(b"esds", 0, descriptor(3, b"\x00\x02\x00" + decoder + descriptor(6, b"\x02")))


def fragment(
    sequence: int,
    video_time: int,
    video: Sequence[Sample],
    audio_time: int = 0,
    audio: Sequence[Sample] = (),
) -> list[bytes]:
    """Return one `moof` and `mdat` as a list of pieces to be joined once, with whatever frames them.

    `video_time` and `audio_time` are the decode times of the first samples in their track's units.
    """
    if len(video) == 1 and not audio and not video[0].offset:
        data, duration, is_key, _ = video[0]
        size = len(data)
        head = _one_sample_head(
            100,
            b"moof",
            16,
            b"mfhd",
            0,
            sequence,
            76,
            b"traf",
            16,
            b"tfhd",
            0x020000,
            VIDEO_TRACK,
            20,
            b"tfdt",
            0x01000000,
            video_time,
            32,
            b"trun",
            0x000701,
            1,
            108,
            duration,
            size,
            _KEY_FLAGS if is_key else _DELTA_FLAGS,
            8 + size,
            b"mdat",
        )
        return [head, data]
    runs = []
    if video:
        runs.append((VIDEO_TRACK, video_time, video))
    if audio:
        runs.append((AUDIO_TRACK, audio_time, audio))
    moof_size = 24 + sum(_run_size(samples) for _, _, samples in runs)
    parts = [struct.pack("!I4sI4sII", moof_size, b"moof", 16, b"mfhd", 0, sequence)]
    offset = moof_size + 8
    for track, time, samples in runs:
        parts.append(_track_fragment(track, time, samples, offset))
        offset += sum(len(sample.data) for sample in samples)
    parts.append(struct.pack("!I4s", offset - moof_size, b"mdat"))
    for _, _, samples in runs:
        parts += [sample.data for sample in samples]
    return parts


def _has_offsets(samples: Sequence[Sample]) -> bool:
    return any(sample.offset for sample in samples)


def _run_size(samples: Sequence[Sample]) -> int:
    return 8 + 16 + 20 + 20 + len(samples) * (16 if _has_offsets(samples) else 12)


def _track_fragment(track: int, time: int, samples: Sequence[Sample], data_offset: int) -> bytes:
    count = len(samples)
    if _has_offsets(samples):
        flags = 0x01000F01
        rows = b"".join(
            [
                _sample_with_offset(duration, len(data), _KEY_FLAGS if is_key else _DELTA_FLAGS, offset)
                for data, duration, is_key, offset in samples
            ]
        )
    else:
        flags = 0x00000701
        rows = b"".join(
            [
                _sample(duration, len(data), _KEY_FLAGS if is_key else _DELTA_FLAGS)
                for data, duration, is_key, _ in samples
            ]
        )
    head = struct.pack(
        "!I4sI4sIII4sIQI4sIII",
        _run_size(samples),
        b"traf",
        16,
        b"tfhd",
        0x020000,
        track,
        20,
        b"tfdt",
        0x01000000,
        time,
        20 + len(rows),
        b"trun",
        flags,
        count,
        data_offset,
    )
    return head + rows
