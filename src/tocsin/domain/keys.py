"""The end of a key roll-over: once a panel has used its new key, the previous one is dropped, in one audited commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from tocsin.base.errors import TocsinError
from tocsin.base.vault import Vault
from tocsin.domain import events
from tocsin.domain.devices import Device
from tocsin.domain.store import Store

_BATCH: Final = "key rollover"


class KeyRollover:
    """Hears from the gateway which new keys work."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        store.batch(_BATCH, self._drop_previous)

    def confirmed(self, device_id: str, key: bytes) -> None:
        """Drop the previous key of a device, unless its key is no longer `key`. Nobody waits: what could not be
        committed is confirmed again when the directory is next read.
        """
        with contextlib.suppress(TocsinError):
            self._store.submit(_BATCH, (device_id, key)).add_done_callback(_forget)

    def _drop_previous(self, tx: Any, items: Sequence[tuple[str, bytes]]) -> list[None]:
        devices: dict[str, Device] = tx.devices.load([device_id for device_id, _ in items])
        for device_id, key in items:
            if device_id not in devices:
                continue
            sealed, before = tx.devices.secrets(device_id)
            if before is None or sealed is None or self._vault.open(sealed) != key:
                continue
            tx.devices.set_secrets(device_id, sealed, None)
            saved: Device = tx.devices.load([device_id])[device_id]
            tx.record(
                events.DeviceKeyConfirmed(
                    subject_id=device_id, at=tx.now, jurisdiction_code=saved.jurisdiction_code, data=saved.form()
                )
            )
        return [None] * len(items)


def _forget(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
