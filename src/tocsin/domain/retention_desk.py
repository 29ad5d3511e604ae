"""The use cases of retention together, as the web takes them."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.holds import HoldService
from tocsin.domain.refusals import require
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_proof import ProofService
from tocsin.domain.storage_service import StorageService
from tocsin.domain.store import Store
from tocsin.domain.tier_service import TierMover
from tocsin.domain.tiers import TierStatus
from tocsin.domain.tombstones import Tombstone


@dataclass(frozen=True, slots=True)
class RetentionDesk:
    """Policies, holds, proofs and storage arithmetic."""

    store: Store
    policies: PolicyService
    holds: HoldService
    proofs: ProofService
    storage: StorageService
    mover: TierMover | None = None

    async def tombstones(
        self, *, actor: Actor, channel_id: str = "", before_no: int | None = None, limit: int = 100
    ) -> list[Tombstone]:
        """Return what was deleted where the actor may see it, newest first. Errors: FORBIDDEN."""
        require(actor, Permission.READ_REGISTRY)
        visible = scope(actor, Permission.READ_REGISTRY)
        found: list[Tombstone] = await self.store.read(
            lambda tx: tx.retention.tombstones(
                visible_to=visible, channel_id=channel_id, before_no=before_no, limit=limit
            )
        )
        return found

    def tier(self, *, actor: Actor) -> TierStatus | None:
        """Return how moving to the far place is doing; None without one. Errors: FORBIDDEN."""
        require(actor, Permission.READ_REGISTRY)
        return None if self.mover is None else self.mover.status()
