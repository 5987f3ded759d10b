"""API keys: what opens, and what does not."""

import pytest

from pipelines import keys
from pipelines.objects import Objects


def test_a_key_opens_until_it_is_revoked() -> None:
    objects = Objects()
    text, found = keys.new("write", "billing")
    objects.record(found)

    assert keys.opened_by(objects, text) == keys.describe(found)
    for wrong in (text[:-1], text + "x", text.replace("tm_", "tn_"), "", "tm_", f"tm_{found.id}_", f"tm_{found.id}"):
        assert keys.opened_by(objects, wrong) is None, wrong
    objects.record(keys.revoked(found, 5))
    assert keys.opened_by(objects, text) is None
    assert [key.revoked_ms for key in keys.known(objects)] == [5]


def test_the_secret_is_not_kept() -> None:
    text, found = keys.new("read", "")

    assert text.split("_", 2)[2] not in str(found)


@pytest.mark.parametrize(
    ("scope", "may"),
    (("ingest", {"ingest"}), ("read", {"read"}), ("write", {"read", "write"}), ("admin", {"ingest", "read", "write", "admin"})),
)
def test_scopes(scope: keys.Scope, may: set[keys.Scope]) -> None:
    key = keys.describe(keys.new(scope, "x")[1])

    assert {each for each in keys.SCOPES if key.may(each)} == may


def test_a_key_of_one_customer_cannot_edit() -> None:
    with pytest.raises(keys.KeyScopeError):
        keys.new("write", "x", "acme")
    with pytest.raises(keys.KeyScopeError):
        keys.new("everything", "x")
