"""The suite on the embedded warehouse."""

from tests.warehouse.suite import *  # noqa: F403 - the tests themselves
