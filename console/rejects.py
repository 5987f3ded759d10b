"""Rejected events sent again by the API and the pages: what is wrong is told as they tell it."""

from collections.abc import Sequence

from console.errors import UnavailableError, invalid
from console.services import Services
from contracts.translation.fields import Wrong
from pipelines import resending
from pipelines.resending import Mended
from pipelines.warehouse.reads import RejectedEvent


def resend(held: Services, events: Sequence[RejectedEvent], mended: Mended) -> int:
    """Send them and give their number. Raises ApiError."""
    try:
        return resending.resend(held.deployment.kafka, held.deployment.codec, events, mended)
    except resending.MendError as error:
        raise invalid("event", str(error)) from error
    except resending.UntakenError as error:
        raise UnavailableError(Wrong("", str(error))) from error
