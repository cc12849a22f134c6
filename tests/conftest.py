"""Fixtures that tests of several parts share; each part keeps its own in a file of its own."""

from tests.store_fixtures import (
    clock as clock,
)
from tests.store_fixtures import (
    empty_url as empty_url,
)
from tests.store_fixtures import (
    engine as engine,
)
from tests.store_fixtures import (
    postgres as postgres,
)
from tests.store_fixtures import (
    postgres_template as postgres_template,
)
from tests.store_fixtures import (
    sqlite_template as sqlite_template,
)
from tests.store_fixtures import (
    store as store,
)
from tests.store_fixtures import (
    store_url as store_url,
)
