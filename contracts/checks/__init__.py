"""What documents must meet beyond their shape. Pure; problems as values, with paths that loading turns into lines."""

from contracts.checks.case import check_case
from contracts.checks.catalogue import check_catalogue
from contracts.checks.contract import check_contract

__all__ = ["check_case", "check_catalogue", "check_contract"]
