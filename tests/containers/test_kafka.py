"""METER's suite on a Kafka in a container."""

from tests.broker.metering.test_meter import (
    test_a_process_that_was_taken_for_dead_ends_when_it_wakes,
    test_sigkill_amid_batches_loses_and_doubles_nothing,
    test_workers_that_come_and_go_share_the_work_exactly,
)

__all__ = [
    "test_a_process_that_was_taken_for_dead_ends_when_it_wakes",
    "test_sigkill_amid_batches_loses_and_doubles_nothing",
    "test_workers_that_come_and_go_share_the_work_exactly",
]
