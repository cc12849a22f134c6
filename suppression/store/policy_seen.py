"""Which policy the list was kept under last: a change of it is an act of its own in the audit trail.

It is noted at a start and at no other time, so that processes with different policies do not write in turn for ever: each of
them looks whether another came after it, and says so.
"""

import msgspec
from sqlalchemy import insert, select, update

from suppression.audit.chain import Act
from suppression.engine import reading
from suppression.models import meta
from suppression.policy import Policy
from suppression.store.turn import Turn
from suppression.store.turns import StoreTurns

_NAME = "policy_version"
_SEEN = meta.c.name == _NAME
_ACT = "policy"


class StorePolicy(StoreTurns):
    """Notes changes of the policy; `Transient` where the store can not be asked."""

    def other_policy(self) -> str | None:
        """The version that was noted last, where it is not this store's; None: it is, or none was ever noted."""
        with reading(self._engine) as connection:
            version = connection.execute(select(meta.c.value).where(_SEEN)).scalar()
        return None if version == self.policy.version else version

    def note_policy(self, actor: str) -> bool:
        """Write down that this store's policy is in force from now on; False: it was already."""

        def note(turn: Turn) -> bool:
            before = turn.connection.execute(select(meta.c.value).where(_SEEN)).scalar()
            version = self.policy.version
            if before == version:
                return False
            write = insert(meta).values(name=_NAME) if before is None else update(meta).where(_SEEN)
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
