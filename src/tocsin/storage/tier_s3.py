"""A bucket as the far place, by the S3 interface, in blocking calls. The library is loaded when a bucket is first used.

Source: design note 0022, S3; Amazon S3 API reference, PutObject, HeadObject, GetObject, checking object integrity.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.recorded import FarFile
from tocsin.domain.segments import Volume, VolumeState
from tocsin.domain.tiers import SourceDiffers, TierFailed
from tocsin.storage.segment_files import MARK
from tocsin.storage.tier_folder import mark_of, open_source, read_near

SCHEME: Final = "s3://"
MOST_BYTES: Final = 5_000_000_000  # of one PUT
PIECE_BYTES: Final = 1 << 20
DELETE_AT_ONCE: Final = 1_000
CONNECT_S: Final = 5
READ_S: Final = 30
READS_AT_ONCE: Final = 8
PEEK_BYTES: Final = 128 << 10  # nearly every key picture with the head of its group
_FULL: Final = frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "ServiceQuotaExceededException"})
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True, slots=True)
class S3Config:
    """How a bucket is reached. Without `access_key` the machine's own credentials count; `endpoint` empty is AWS."""

    endpoint: str = ""
    region: str = "us-east-1"
    path_style: bool = True
    access_key: str = ""
    secret_key: str = ""


def split_location(location: str) -> tuple[str, str]:
    """Return bucket and prefix (ending in /, or empty) of `s3://bucket/prefix`."""
    bucket, _, prefix = location.removeprefix(SCHEME).partition("/")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""


class Buckets:
    """Objects in buckets of one service. Every call blocks, and may be made from any thread."""

    def __init__(self, config: S3Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._made: Any = None

    # --- as the far place ---

    def prepare(self, volume: Volume, house_id: str) -> None:
        """Mark a new bucket, or see that it is ours. Errors: TierFailed."""
        known = self._get(volume, MARK)
        if known is None and volume.seen_at is None:
            self._ask("put_object", volume, MARK, Body=mark_of(volume.id, house_id))
            known = self._get(volume, MARK)
        if known is None:
            raise TierFailed(VolumeState.GONE, "It carries no mark of ours.")
        try:
            content = json.loads(known)
        except ValueError:
            content = None
        if not isinstance(content, dict) or (content.get("volume"), content.get("house")) != (volume.id, house_id):
            raise TierFailed(VolumeState.FOREIGN, "It is marked as another house's.")

    def copy(self, source: Path, volume: Volume, path: str, size_bytes: int, sha256: bytes) -> None:
        """Put a file, and see that what lies there is what was recorded. Errors: SourceDiffers, TierFailed."""
        if size_bytes > MOST_BYTES:
            raise SourceDiffers("it is larger than one PUT")
        digest = hashlib.sha256()
        with open_source(source, size_bytes) as near:
            while data := read_near(near):
                digest.update(data)
        if digest.digest() != sha256:
            raise SourceDiffers(path)
        sum_text = base64.b64encode(sha256).decode()
        try:
            with source.open("rb") as body:
                self._ask("put_object", volume, path, Body=body, ContentLength=size_bytes, ChecksumSHA256=sum_text)
        except OSError as error:
            raise SourceDiffers(error.strerror or str(error)) from error
        self._compare(volume, path, size_bytes, sha256, sum_text)

    def _compare(self, volume: Volume, path: str, size_bytes: int, sha256: bytes, sum_text: str) -> None:
        head = self._ask("head_object", volume, path, ChecksumMode="ENABLED")
        is_whole = head["ContentLength"] == size_bytes and (
            head.get("ChecksumSHA256") == sum_text  # of which AWS says that it was compared with what arrived
            if not self._config.endpoint
            else self.digest(volume, path) == sha256
        )
        if not is_whole:
            self.remove(volume, [path])
            raise TierFailed(VolumeState.GONE, "What was written reads back otherwise.")

    def remove(self, volume: Volume, paths: Sequence[str]) -> dict[str, str]:
        """Remove objects; return why for those that could not be. One that is gone is no error."""
        bucket, prefix = split_location(volume.location)
        failed: dict[str, str] = {}
        for at in range(0, len(paths), DELETE_AT_ONCE):
            some = paths[at : at + DELETE_AT_ONCE]
            objects = [{"Key": prefix + path} for path in some]
            try:
                done = self._call("delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            except TierFailed as failure:
                failed.update(dict.fromkeys(some, failure.reason))
                continue
            for one in done.get("Errors", []):
                if one.get("Code") not in _ABSENT:
                    failed[str(one["Key"]).removeprefix(prefix)] = str(one.get("Message") or one.get("Code"))
        return failed

    # --- as something to look at ---

    def listed(self, volume: Volume, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the paths and sizes of objects below a folder. Errors: TierFailed."""
        bucket, prefix = split_location(volume.location)
        given: dict[str, Any] = {"Bucket": bucket, "Prefix": f"{prefix}{folder}"}
        while True:
            page = self._call("list_objects_v2", **given)
            for one in page.get("Contents", []):
                yield str(one["Key"]).removeprefix(prefix), int(one["Size"])
            if not page.get("IsTruncated"):
                return
            given["ContinuationToken"] = page["NextContinuationToken"]

    def digest(self, volume: Volume, path: str) -> bytes:
        """Return the SHA-256 of an object's bytes; empty when it is not there. Errors: TierFailed."""
        digest = hashlib.sha256()
        for data in self.content(volume, path):
            digest.update(data)
        return digest.digest()

    def content(self, volume: Volume, path: str) -> Iterator[bytes]:
        """Yield the bytes of an object. Errors: TierFailed."""
        body = self._ask("get_object", volume, path)["Body"]
        try:
            while data := _read(body, PIECE_BYTES):
                yield data
        finally:
            body.close()

    def mark(self, volume: Volume) -> bytes | None:
        """Return the mark of a bucket; None without one. Errors: TierFailed."""
        return self._get(volume, MARK)

    def open(self, volume: Volume, path: str, start: int, end: int) -> FarFile:
        """Open an object; its bytes from `start` to `end` begin to come at once. Errors: UNAVAILABLE."""
        return _Object(self, volume, path, start, end)

    # --- calls ---

    def _get(self, volume: Volume, path: str) -> bytes | None:
        try:
            return b"".join(self.content(volume, path))
        except TierFailed as failure:
            if failure.state is VolumeState.OK:
                return None
            raise

    def _ask(self, name: str, volume: Volume, path: str, **given: Any) -> Any:
        bucket, prefix = split_location(volume.location)
        return self._call(name, Bucket=bucket, Key=prefix + path, **given)

    def _call(self, name: str, **given: Any) -> Any:
        """Ask the service. Errors: TierFailed; its state is OK when only the object is not there."""
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise TierFailed(VolumeState.GONE, "The part for S3 is not installed: pip install tocsin[s3].") from error
        try:
            return getattr(self._client(), name)(**given)
        except ClientError as error:
            raise _refused(error.response, given["Bucket"]) from error
        except (BotoCoreError, OSError) as error:
            raise TierFailed(VolumeState.GONE, f"{error}"[:200]) from error

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                from botocore.config import Config
                from botocore.session import Session

                config = self._config
                self._made = Session().create_client(
                    "s3",
                    region_name=config.region,
                    endpoint_url=config.endpoint or None,
                    aws_access_key_id=config.access_key or None,
                    aws_secret_access_key=config.secret_key or None,
                    config=Config(
                        connect_timeout=CONNECT_S,
                        read_timeout=READ_S,
                        retries={"total_max_attempts": 2, "mode": "standard"},
                        max_pool_connections=4 * READS_AT_ONCE,
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                        s3={"addressing_style": "path" if config.path_style else "virtual"},
                    ),
                )
            return self._made


class _Object:
    """An object that is read by ranges; bytes that follow each other come from one answer."""

    def __init__(self, buckets: Buckets, volume: Volume, path: str, start: int, end: int) -> None:
        self._buckets = buckets
        self._volume = volume
        self._path = path
        self._body: Any = None
        self._at = start
        self.peek_bytes = PEEK_BYTES
        if end > start:
            answer = self._answer(start, end)
            self._body = answer["Body"]
            self.size_bytes = int(str(answer["ContentRange"]).rpartition("/")[2])
        else:
            self.size_bytes = int(self._ask("head_object")["ContentLength"])

    def pread(self, size_bytes: int, at: int) -> bytes:
        """Return bytes from a place; fewer at the end. Errors: UNAVAILABLE."""
        if self._body is not None and at == self._at:
            data = self._read(self._body, size_bytes)
            self._at += len(data)
            return data
        body = self._answer(at, at + size_bytes)["Body"]
        try:
            return self._read(body, size_bytes)
        finally:
            body.close()

    def pread_many(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return runs of bytes (size, place), several at a time. Errors: UNAVAILABLE."""
        with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="bucket") as pool:
            return list(pool.map(lambda place: self.pread(*place), places))

    def close(self) -> None:
        """Ask for no more."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def _answer(self, start: int, end: int) -> Any:
        return self._ask("get_object", Range=f"bytes={start}-{end - 1}")

    def _ask(self, name: str, **given: Any) -> Any:
        try:
            return self._buckets._ask(name, self._volume, self._path, **given)
        except TierFailed as failure:
            key = "recorded.gone" if failure.state is VolumeState.OK else "recorded.volume"
            raise TocsinError(ErrorCode.UNAVAILABLE, failure.reason, key=key) from failure

    def _read(self, body: Any, size_bytes: int) -> bytes:
        pieces = []
        try:
            while size_bytes > 0 and (data := _read(body, size_bytes)):
                pieces.append(data)
                size_bytes -= len(data)
        except TierFailed as failure:
            raise TocsinError(ErrorCode.UNAVAILABLE, failure.reason, key="recorded.volume") from failure
        return b"".join(pieces)


def _read(body: Any, size_bytes: int) -> bytes:
    from botocore.exceptions import BotoCoreError

    try:
        return bytes(body.read(size_bytes))
    except (BotoCoreError, OSError) as error:
        raise TierFailed(VolumeState.GONE, f"{error}"[:200]) from error


def _refused(response: Any, bucket: str) -> TierFailed:
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = str(response.get("Error", {}).get("Message", ""))[:200]
    if code == "NoSuchBucket":
        return TierFailed(VolumeState.GONE, f"There is no bucket {bucket}.")
    if code in _ABSENT:
        return TierFailed(VolumeState.OK, "The object is not there.")
    if code in _FULL or status == 507:
        return TierFailed(VolumeState.FULL, f"{code}: {said}")
    if status in (401, 403):
        return TierFailed(VolumeState.READ_ONLY, f"It refuses us: {code} {said}".strip())
    return TierFailed(VolumeState.GONE, f"{code or status}: {said}")
