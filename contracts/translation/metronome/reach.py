"""What a grant may pay for and what an override holds for: products, tags, group values, commits."""

from typing import Any

from contracts.catalogue import Where
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.known import Known


def reach_in(fields: Fields, known: Known) -> dict[str, Any]:
    """What a grant may pay for. Several specifiers are one, when together they say no more than products and tags."""
    named = fields.texts("applicable_product_ids")
    products = [known.product(each, f"{fields.at('applicable_product_ids')}[{number}]") for number, each in enumerate(named)]
    tags, where = fields.texts("applicable_product_tags"), {}
    specifiers = fields.objects("specifiers")
    if specifiers and (products or tags):
        raise invalid(fields.at("specifiers"), "excludes applicable_product_ids and applicable_product_tags; give one")
    for each in specifiers:
        found = specifier_in(each, known)
        if found.get("commits"):
            raise invalid(each.path, "names commits; what a commit pays for are products")
        if len(specifiers) > 1 and (found["where"] or (found["products"] and found["tags"])):
            raise invalid(each.path, "of several specifiers each may name a product or tags only; for group values give one specifier a commit")
        products, tags, where = products + found["products"], tags + found["tags"], found["where"]
    return {"products": products, "tags": tags, "where": where}


def shared_in(fields: Fields) -> str | list[str] | None:
    if not fields.has("hierarchy_configuration"):
        fields.any("hierarchy_configuration")
        return None
    hierarchy = fields.object("hierarchy_configuration")
    access = hierarchy.object("child_access")
    kind = access.word("type", ("ALL", "NONE", "CONTRACT_IDS"))
    contracts = access.texts("contract_ids")
    access.done()
    hierarchy.done()
    return "all" if kind == "ALL" else contracts if kind == "CONTRACT_IDS" else None


def specifier_in(fields: Fields, known: Known) -> dict[str, Any]:
    fields.refuse("is not served", "billing_frequency")
    found: dict[str, Any] = {"products": [], "tags": fields.texts("product_tags"), "where": _where(fields)}
    if fields.has("product_id"):
        found["products"] = [known.product(fields.text("product_id"), fields.at("product_id"))]
    fields.any("product_id")
    named = [*fields.texts("commit_ids"), *fields.texts("recurring_commit_ids"), *fields.texts("any_commit_or_credit_ids")]
    if named:
        found["commits"] = [known.temporary.get(each, each) for each in named]
    fields.done()
    return found


def _where(fields: Fields) -> Where:
    return {**fields.mapping("pricing_group_values"), **fields.mapping("presentation_group_values")}
