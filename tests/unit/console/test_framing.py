"""Which sites may show our pages inside theirs."""

import pytest

from console.access.framing import policy
from console.access.sessions import Sessions


@pytest.mark.parametrize(
    ("sites", "says"),
    (
        ("", "frame-ancestors 'self'"),
        ("https://portal.example", "frame-ancestors 'self' https://portal.example"),
        ("https://a.example, https://b.example", "frame-ancestors 'self' https://a.example https://b.example"),
    ),
)
def test_only_those_that_are_named(sites: str, says: str) -> None:
    assert policy(sites) == says


def test_a_ticket_is_no_session_and_a_session_no_ticket() -> None:
    sessions = Sessions("secret")
    assert sessions.of_ticket(sessions.ticket("k", "acme"), 60) == ("k", "acme")
    assert sessions.embedded_in(sessions.embedded("k", "acme")) == ("k", "acme")
    assert sessions.embedded_in(sessions.ticket("k", "acme")) is None
    assert sessions.of_ticket(sessions.embedded("k", "acme"), 60) is None
    assert sessions.key_of(sessions.embedded("k", "acme")) is None
    assert Sessions("other").of_ticket(sessions.ticket("k", "acme"), 60) is None
