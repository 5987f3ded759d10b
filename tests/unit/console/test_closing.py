"""A page that was closed is gone at once, without the collector of garbage."""

import weakref

import pytest
from nicegui import Client, ui

from console.pages.parts.closing import let_go


class Screen:
    """What stands behind a page: it has the page's elements, is told of their changes, and hears when the page is deleted."""

    def __init__(self, client: Client) -> None:
        self.client = client
        with client:
            self.box = ui.element("div").classes("card").style("margin: 0").props("outlined")
            self.choice = ui.select(["one", "two"], on_change=self.changed)
        client.on_delete(lambda: self.changed(None))
        client.on_disconnect(self.changed)

    def changed(self, _event: object) -> None:
        """Somebody chooses."""


def closed() -> list[weakref.ref[object]]:
    """A page with its elements, deleted."""
    client = Client(ui.page("/closed"))
    screen = Screen(client)
    # of what NiceGUI puts around a page nothing is asked: the elements are the page's own
    left: list[weakref.ref[object]] = [weakref.ref(client), weakref.ref(screen), weakref.ref(screen.box), weakref.ref(screen.choice)]
    let_go(client)
    client.remove_all_elements()
    del Client.instances[client.id]
    return left


@pytest.mark.usefixtures("by_count_alone")
def test_nothing_of_a_closed_page_stays() -> None:
    assert [each() for each in closed()] == [None] * 4
