"""Which policy the list was kept under last: a change of it is an act of its own in the audit trail."""

import msgspec
from sqlalchemy import insert, select, update

from suppression.audit.chain import Act
from suppression.models import meta
from suppression.policy import Policy
from suppression.store.turn import Turn
from suppression.store.turns import StoreTurns

_NAME = "policy_version"
_ACT = "policy"


class StorePolicy(StoreTurns):
    """Notes changes of the policy."""

    def note_policy(self, actor: str) -> bool:
        """Write down that this store's policy is in force from now on; False: it was already."""

        def note(turn: Turn) -> bool:
            chosen = meta.c.name == _NAME
            before = turn.connection.execute(select(meta.c.value).where(chosen)).scalar()
            version = self.policy.version
            if before == version:
                return False
            write = insert(meta).values(name=_NAME) if before is None else update(meta).where(chosen)
            turn.connection.execute(write.values(value=version))
            reason = "first seen" if before is None else f"{before} was in force before"
            turn.tell(Act(kind=_ACT, actor=actor, reason=reason, subject=version, body=_told(self.policy)))
            return True

        return self._turn(note)


def _told(policy: Policy) -> dict[str, object]:
    """All that the policy says."""
    tenants = {f"{tenant} {stream or ''}".strip(): what for (tenant, stream), what in policy.overrides.items()}
    told: dict[str, object] = msgspec.to_builtins({"default": policy.default, "overrides": tenants})
    return told
