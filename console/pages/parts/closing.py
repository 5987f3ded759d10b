"""What is left of a page when it is closed: nothing, at once.

Python frees at once what nobody refers to, but not what refers to itself: that waits for the collector of garbage, which looks through everything that
there is, and on a full machine nobody is answered meanwhile for half a second. NiceGUI's elements refer to themselves three times each (their
classes, properties and styles tell themselves when they change), and a page that listens for its own end refers to itself.
"""

from typing import Any

from nicegui import Client
from nicegui.elements.mixins.value_element import ValueElement


def let_go(client: Client) -> None:
    """Cut what a page that is being deleted has tied to itself. Nobody is told of its changes any more."""
    for element in client.elements.values():
        changing: tuple[Any, ...] = (element.classes, element.props, element.style)
        for each in (*changing, element) if isinstance(element, ValueElement) else changing:
            each._change_handlers.clear()  # noqa: SLF001 - NiceGUI has no other way
    for listeners in (client.delete_handlers, client.connect_handlers, client.disconnect_handlers):
        listeners.clear()
