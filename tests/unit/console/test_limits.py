"""Rate limits: by key, and by address for wrong keys."""

import pytest

from console.access.limits import WRONG_KEYS_PER_MINUTE, Limits
from console.errors import TooManyError


def test_a_key_has_so_many_requests_and_another_its_own() -> None:
    limits = Limits(3)
    answers = [_told(limits) for _ in range(1_000)]

    assert answers[:3] == [None] * 3
    refused = next(each for each in answers if each is not None)
    assert refused.headers == {"Retry-After": "1"}
    limits.request("b")


def _told(limits: Limits) -> TooManyError | None:
    try:
        limits.request("a")
    except TooManyError as error:
        return error
    return None


def test_an_address_has_so_many_wrong_keys() -> None:
    limits = Limits(1_000)
    for _ in range(WRONG_KEYS_PER_MINUTE):
        limits.guess("192.0.2.1")
        limits.wrong("192.0.2.1")

    with pytest.raises(TooManyError):
        limits.guess("192.0.2.1")
    limits.guess("192.0.2.2")
