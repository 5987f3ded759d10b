"""Billable metrics."""

from typing import Final

from contracts.catalogue import Aggregation, Condition, Metric, Where
from contracts.translation.fields import Fields, invalid

AGGREGATIONS: Final[dict[str, Aggregation]] = {"COUNT": "count", "LATEST": "latest", "MAX": "max", "SUM": "sum", "UNIQUE": "unique"}


def metric_in(fields: Fields) -> Metric:
    """The metric of a request. Raises RefusedError."""
    fields.refuse(
        "SQL metrics are not served; say what to count with aggregation_type, aggregation_key and filters (or write an expression in the document)", "sql"
    )
    kind = fields.word("aggregation_type", AGGREGATIONS, "COUNT")
    key = fields.text_or_none("aggregation_key")
    if kind != "COUNT" and not key:
        raise invalid(fields.at("aggregation_key"), f"is missing: {kind} needs the property to look at")
    event_types: list[str] = []
    if fields.has("event_type_filter"):
        inner = fields.object("event_type_filter")
        inner.refuse("is not served: name the event types that count in in_values", "not_in_values")
        event_types = inner.texts("in_values")
        inner.done()
    if not event_types:
        raise invalid(fields.at("event_type_filter.in_values"), "must name the event types that count")
    where: Where = {}
    for each in fields.objects("property_filters"):
        name = each.text("name")
        if name in where:
            raise invalid(each.at("name"), f"{name!r} has a filter already; say all of it in one")
        allowed, forbidden = each.texts("in_values"), each.texts("not_in_values")
        exists = each.flag("exists", True) if each.has("exists") or not (allowed or forbidden) else None
        if allowed and (forbidden or exists is False):
            raise invalid(each.path, "in_values excludes the others; give one")
        where[name] = [*allowed] if allowed else Condition(exists=exists, not_in=[*forbidden] or None)
        each.done()
    groups = fields.any("group_keys") or []
    if not isinstance(groups, list) or not all(isinstance(group, list) and all(isinstance(key, str) for key in group) for group in groups):
        raise invalid(fields.at("group_keys"), "must be a list of lists of property names")
    keys = list(dict.fromkeys(key for group in groups for key in group))
    return Metric(event_types=event_types, aggregation=AGGREGATIONS[kind], value=None if kind == "COUNT" else key, where=where, group_keys=keys)
