"""No other site acts through a person's browser."""

import pytest

from console.access.origin import refusal

HOST = "127.0.0.1:8080"
OURS = f"http://{HOST}"


@pytest.mark.parametrize(
    ("acts", "headers", "allowed"),
    (
        (False, {}, True),
        (False, {"cookie": "x"}, True),
        (True, {"origin": OURS, "cookie": "x"}, True),
        (True, {"origin": "http://evil.example", "cookie": "x"}, False),
        (True, {"origin": "http://evil.example"}, False),
        (True, {"origin": "null", "cookie": "x"}, False),
        (True, {"origin": "http://127.0.0.1:9999", "cookie": "x"}, False),
        (True, {"cookie": "x"}, False),
        (True, {"sec-fetch-site": "cross-site"}, False),
        (True, {}, True),
        (True, {"authorization": "Bearer x", "origin": "http://evil.example"}, True),
        (False, {"host": "bent.example"}, False),
        (False, {"host": "localhost:8080"}, True),
        (False, {"host": "[::1]:8080"}, True),
    ),
)
def test_refusals(acts: bool, headers: dict[str, str], allowed: bool) -> None:
    assert (refusal(acts, {"host": HOST, **headers}, loopback=True) is None) == allowed


def test_another_name_is_fine_where_we_listen_to_others() -> None:
    assert refusal(False, {"host": "billing.example"}, loopback=False) is None
    assert refusal(True, {"host": "billing.example", "origin": "https://billing.example", "cookie": "x"}, loopback=False) is None
