"""Taximeter: live, contract-exact usage billing. The public face for services: `from taximeter import UsageProducer`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.ingest.producer import DeliveryError, InvalidEventError, UsageError, UsageProducer

__all__ = ["DeliveryError", "InvalidEventError", "UsageError", "UsageProducer"]


def __getattr__(name: str) -> Any:
    # Imported when used: the command line shares this package and must start fast.
    if name in __all__:
        from pipelines.ingest import producer

        return getattr(producer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
