"""The store and the vault of a data folder, opened for a command or the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.vault import Vault, load_vault
from tocsin.settings import Settings
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import AnyStore, make_store


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[AnyStore]:
    """Open the store for a command; the server may be running beside it. Errors: UNAVAILABLE on a newer database."""
    await asyncio.to_thread(schema.prepare, settings.storage_url)
    store = make_store(
        settings.storage_url, SystemClock(), HeadsFile(settings.heads_path), group_cap=settings.storage.group_cap
    )
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


async def open_vault(path: Path, store: AnyStore) -> Vault:
    """Return the vault of this installation. Errors: UNAVAILABLE when the key of stored secrets is missing."""
    is_missing = not await asyncio.to_thread(path.exists)
    if is_missing and await store.read(lambda tx: tx.devices.holds_secrets()):
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            f"{path} is missing, and the database holds keys and passwords of devices that only it opens: "
            "put it back from the backup",
        )
    return load_vault(path)
