"""Rate limits: so many requests a second for a key, so few tries of a wrong key for an address."""

from typing import Final

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from console.errors import TooManyError
from contracts.translation.fields import Wrong

WRONG_KEYS_PER_MINUTE: Final = 30


class Limits:
    """Counts in this process; several consoles allow each its share."""

    def __init__(self, requests_per_second: int) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerSecond(requests_per_second)
        self._wrong = RateLimitItemPerMinute(WRONG_KEYS_PER_MINUTE)

    def request(self, who: str) -> None:
        """Count a request. Raises TooManyError."""
        if not self._limiter.hit(self._requests, "request", who):
            raise TooManyError(Wrong("", f"more than {self._requests.amount} requests in this second; send larger batches, or try again"), headers={"Retry-After": "1"})

    def guess(self, address: str) -> None:
        """Raises TooManyError for an address that has tried too many wrong keys."""
        if not self._limiter.test(self._wrong, "wrong", address):
            raise TooManyError(Wrong("Authorization", "too many wrong keys from this address; wait a minute"), headers={"Retry-After": "60"})

    def wrong(self, address: str) -> None:
        """Count a wrong key."""
        self._limiter.hit(self._wrong, "wrong", address)
