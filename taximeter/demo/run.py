"""A whole run of the demo: its stack, the story on it, the picture of it."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from pipelines.deployment import Deployment
from pipelines.local.addresses import read, without_password
from pipelines.publishing import Publisher
from pipelines.settings import Settings
from taximeter.demo import screen
from taximeter.demo.papers import Papers, papers
from taximeter.demo.scenes import Flow, Heading, Places, Scene, Terms, Waiting
from taximeter.demo.stack import own_stack
from taximeter.demo.story import Figures, Story, names_of


class Teller(Protocol):
    def __call__(self, scene: Scene) -> None: ...
    def close(self) -> None: ...


def run(teller: Callable[[Mapping[str, str]], Teller], pause: Callable[[], None], *, stay: bool, picture: Path | None) -> Figures:
    """Play the story and tell it to what `teller` makes of the products' names.

    Raises DemoStackError, StoryError, StalledError, ProbeError; nothing is left running then.
    """
    names = names_of(papers())
    tell = teller(names)
    kept: list[Scene] = []

    def show(scene: Scene) -> None:
        if not isinstance(scene, Waiting) and not (isinstance(scene, Flow) and not scene.over):
            kept.append(scene)
        tell(scene)

    try:
        began = time.perf_counter()
        with own_stack(lambda text: show(Waiting(text)), stay=stay) as settings:
            deployment = Deployment(settings)
            up_s = time.perf_counter() - began
            show(Heading(0, "The stack", "everything below one temporary folder, nothing installed"))
            show(Terms(_stack(settings, up_s)))
            found = _papers(deployment)
            story = Story(deployment, found, show, pause)
            try:
                figures = story.run()
            finally:
                story.close()
            if picture is not None:
                screen.save(picture, screen.picture(kept, names, "taximeter demo"))
            if stay:
                show(Heading(6, "Look around", "the stack stays up; every command finds it by TAXIMETER_DATA"))
                show(Places(_places(settings, found)))
        return figures
    finally:
        tell.close()


def _papers(deployment: Deployment) -> Papers:
    """Under names that are new there: Kafka and ClickHouse may be servers that have played the story before."""
    publisher = Publisher(deployment.kafka, deployment.codec)
    try:
        return papers(publisher.present().contracts)
    finally:
        publisher.close()


def _stack(settings: Settings, up_s: float) -> list[tuple[str, str]]:
    return [
        ("Apache Kafka", str(settings.kafka)),
        ("ClickHouse", without_password(settings.clickhouse or "")),
        ("METER, RATE, SINK, clock", f"up after {up_s:,.1f} s"),
    ]


def _places(settings: Settings, found: Papers) -> list[tuple[str, str]]:
    customer = found.contract.customer
    console = (read(settings.data) or {}).get("console")
    return [
        ("first", f"export TAXIMETER_DATA={settings.data}"),
        ("what runs", "taximeter status"),
        ("the bill", f"taximeter invoice {customer} --period 2025-10"),
        ("the commit", f"taximeter balance {customer}"),
        ("the alert", f"taximeter alerts --customer {customer}"),
        ("any question", 'taximeter sql "SELECT customer, product, sum(amount) FROM invoice_lines GROUP BY customer, product"'),
        *([("the console", console)] if console else []),
        ("Kafka", str(settings.kafka)),
        ("ClickHouse", without_password(settings.clickhouse or "")),
        ("the end", "taximeter down"),
    ]
