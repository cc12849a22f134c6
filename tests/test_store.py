"""The store on SQLite and on PostgreSQL: the same promises."""

import pytest

from tests.store_contract import StoreContract
from tests.store_contract_questions import KeysContract, QuestionsContract


class TestOnSqlite(StoreContract, QuestionsContract, KeysContract):
    """The default."""

    @pytest.fixture
    def database(self) -> str:
        """Which database `store` is on."""
        return "sqlite"


@pytest.mark.xdist_group("postgresql")
class TestOnPostgresql(StoreContract, QuestionsContract, KeysContract):
    """Production."""

    @pytest.fixture
    def database(self) -> str:
        """Which database `store` is on."""
        return "postgresql"
