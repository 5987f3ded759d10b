"""What a method takes is looked up once.

NiceGUI asks of everything that hears of changes whether it takes an argument, by its signature, for the classes, the properties and the style of
each element: a tenth of what pages cost the console. They are the same few methods each time.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from nicegui import helpers

_look_up = helpers.expects_arguments
_known: WeakKeyDictionary[Callable[..., Any], bool] = WeakKeyDictionary()


def expects_arguments(func: Callable[..., Any]) -> bool:
    """As NiceGUI's own, which it stands for after `remember`."""
    of = getattr(func, "__func__", None)
    if of is None:
        return _look_up(func)
    found = _known.get(of)
    if found is None:
        found = _known[of] = _look_up(func)
    return found


def remember() -> None:
    """For all of this process."""
    helpers.expects_arguments = expects_arguments
