"""The warehouse suite on a ClickHouse server."""

from tests.warehouse.suite import *  # noqa: F403 - the tests themselves
from tests.warehouse.test_views import *  # noqa: F403
