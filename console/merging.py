"""Two people have changed one document: what both made of it, where they do not touch the same place.

Documents are plain data here. Lists whose items have ids are merged item by item; any other list is one value.
"""

from typing import Any, Final, NamedTuple

_NONE: Final = object()


class Merged(NamedTuple):
    data: Any
    conflicts: list[str]
    """Paths that both have changed to something different; `data` has mine there."""


def merge(base: Any, mine: Any, theirs: Any, path: str = "") -> Merged:
    """`mine` and `theirs` were both made from `base`."""
    if theirs in (mine, base):
        return Merged(mine, [])
    if mine == base:
        return Merged(theirs, [])
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return _keys(base if isinstance(base, dict) else {}, mine, theirs, path, "{}.{}")
    if _named(mine) and _named(theirs) and (base is _NONE or _named(base)):
        old = {} if base is _NONE else _by_id(base)
        found = _keys(old, _by_id(mine), _by_id(theirs), path, "{}[{}]")
        return Merged(list(found.data.values()), found.conflicts)
    return Merged(mine, [path])


def _keys(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any], path: str, form: str) -> Merged:
    """In the order of theirs, with what is new in mine behind."""
    data: dict[str, Any] = {}
    conflicts: list[str] = []
    for key in [*theirs, *(key for key in mine if key not in theirs)]:
        at = form.format(path, key) if path else str(key)
        found = merge(base.get(key, _NONE), mine.get(key, _NONE), theirs.get(key, _NONE), at)
        conflicts += found.conflicts
        if found.data is not _NONE:
            data[key] = found.data
    return Merged(data, conflicts)


def _named(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) and "id" in item for item in items)


def _by_id(items: list[Any]) -> dict[str, Any]:
    return {item["id"]: item for item in items}
