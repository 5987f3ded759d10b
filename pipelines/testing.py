"""Helpers for tests of whoever runs on the pipeline; ours use them too. Nothing in the product imports this module.

`Kafka`     a broker of its own with the pipeline's topics
`until`     waits for something to become true, by asking, and says what it was when it does not
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self, TypeVar

from pipelines.local import topics
from pipelines.local.kafka_child import KafkaChild
from pipelines.settings import Settings

PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.05

Found = TypeVar("Found")


class Kafka(KafkaChild):
    """A real broker below `data`. Jars come from the user's cache, as in the product."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, Settings().cache)

    def with_topics(self, **settings: object) -> Self:
        """Make the pipeline's topics, if they are not there."""
        topics.ensure(Settings.model_validate({"kafka": self.bootstrap, **settings}))
        return self


def until(look: Callable[[], Found], what: str, patience_s: float = PATIENCE_S) -> Found:
    """The first true answer of `look`. Raises TimeoutError with `what` and the last answer."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not in {patience_s:.0f} s; at last: {found!r}")
        time.sleep(LOOK_S)
    return found
