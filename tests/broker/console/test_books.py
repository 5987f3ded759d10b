"""The papers of a console: kept fresh beside those who look, and never without what the console itself has written."""

import uuid

from console.books import KEPT_FRESH_S, Change
from console.services import Services
from contracts.catalogue import Catalogue
from pipelines.clock import WALL
from pipelines.edits import Edit
from pipelines.objects import Object
from pipelines.publishing import Publisher
from pipelines.testing import until


def test_what_others_publish_is_there_though_nobody_waits_for_it(services: Services) -> None:
    # given papers that were just read
    name = f"other-{uuid.uuid4().hex[:8]}"
    assert name not in services.books.now().documents.catalogues
    # when somebody else publishes
    publisher = Publisher(services.deployment.kafka, services.deployment.codec)
    publisher.publish(Edit(catalogues=[Catalogue(id=name)], recorded_ms={WALL: 1_795_600_000_000}))
    publisher.close()
    # then whoever goes on looking, and is content with a second's age, sees it
    until(lambda: name in services.books.now(KEPT_FRESH_S).documents.catalogues, "the other's catalogue is there")
    assert services.books.fresh(60)


def test_what_was_written_here_is_there_for_those_who_take_old_papers(services: Services) -> None:
    name = f"note-{uuid.uuid4().hex[:8]}"

    services.books.commit(lambda _: Change(objects=[Object("note", name, {"said": "this"})]), "the tests")

    assert services.books.now(3600).objects.body("note", name) == {"said": "this"}
