"""Every path of Metronome's public API as its official client (metronome-sdk 4.12) knows it, and whether it is served here.

    python -m console.metronome.endpoints > docs/reference/metronome-api.md

What is not served answers 501 and names itself.
"""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute

from console.access.guard import Reading
from console.errors import NotServedError
from console.wire import Answer, Exact
from contracts.translation.fields import Wrong

ENDPOINTS: Final = (
    ("DELETE", "/v1/customers/{customer_id}/billing-config/{billing_provider_type}"),
    ("GET", "/v1/auditLogs"),
    ("GET", "/v1/billable-metrics"),
    ("GET", "/v1/billable-metrics/{billable_metric_id}"),
    ("GET", "/v1/credit-types/list"),
    ("GET", "/v1/customers"),
    ("GET", "/v1/customers/{customer_id}"),
    ("GET", "/v1/customers/{customer_id}/billable-metrics"),
    ("GET", "/v1/customers/{customer_id}/billing-config/{billing_provider_type}"),
    ("GET", "/v1/customers/{customer_id}/costs"),
    ("GET", "/v1/customers/{customer_id}/invoices"),
    ("GET", "/v1/customers/{customer_id}/invoices/breakdowns"),
    ("GET", "/v1/customers/{customer_id}/invoices/{invoice_id}"),
    ("GET", "/v1/customers/{customer_id}/invoices/{invoice_id}/pdf"),
    ("GET", "/v1/customers/{customer_id}/plans"),
    ("GET", "/v1/customers/{customer_id}/plans/{customer_plan_id}/priceAdjustments"),
    ("GET", "/v1/planDetails/{plan_id}"),
    ("GET", "/v1/planDetails/{plan_id}/charges"),
    ("GET", "/v1/planDetails/{plan_id}/customers"),
    ("GET", "/v1/plans"),
    ("GET", "/v1/services"),
    ("POST", "/v1/alerts/archive"),
    ("POST", "/v1/alerts/create"),
    ("POST", "/v1/archiveCustomerBillingProviderConfigurations"),
    ("POST", "/v1/billable-metrics/archive"),
    ("POST", "/v1/billable-metrics/create"),
    ("POST", "/v1/contract-pricing/products/archive"),
    ("POST", "/v1/contract-pricing/products/create"),
    ("POST", "/v1/contract-pricing/products/get"),
    ("POST", "/v1/contract-pricing/products/list"),
    ("POST", "/v1/contract-pricing/products/update"),
    ("POST", "/v1/contract-pricing/rate-cards/addRate"),
    ("POST", "/v1/contract-pricing/rate-cards/addRates"),
    ("POST", "/v1/contract-pricing/rate-cards/archive"),
    ("POST", "/v1/contract-pricing/rate-cards/create"),
    ("POST", "/v1/contract-pricing/rate-cards/get"),
    ("POST", "/v1/contract-pricing/rate-cards/getNamedSchedule"),
    ("POST", "/v1/contract-pricing/rate-cards/getRateSchedule"),
    ("POST", "/v1/contract-pricing/rate-cards/getRates"),
    ("POST", "/v1/contract-pricing/rate-cards/list"),
    ("POST", "/v1/contract-pricing/rate-cards/moveRateCardProducts"),
    ("POST", "/v1/contract-pricing/rate-cards/setRateCardProductsOrder"),
    ("POST", "/v1/contract-pricing/rate-cards/update"),
    ("POST", "/v1/contract-pricing/rate-cards/updateNamedSchedule"),
    ("POST", "/v1/contracts/addManualBalanceLedgerEntry"),
    ("POST", "/v1/contracts/amend"),
    ("POST", "/v1/contracts/archive"),
    ("POST", "/v1/contracts/create"),
    ("POST", "/v1/contracts/createHistoricalInvoices"),
    ("POST", "/v1/contracts/customerBalances/getNetBalance"),
    ("POST", "/v1/contracts/customerBalances/list"),
    ("POST", "/v1/contracts/customerCommits/create"),
    ("POST", "/v1/contracts/customerCommits/list"),
    ("POST", "/v1/contracts/customerCommits/updateEndDate"),
    ("POST", "/v1/contracts/customerCredits/create"),
    ("POST", "/v1/contracts/customerCredits/list"),
    ("POST", "/v1/contracts/customerCredits/updateEndDate"),
    ("POST", "/v1/contracts/get"),
    ("POST", "/v1/contracts/getContractRateSchedule"),
    ("POST", "/v1/contracts/getNamedSchedule"),
    ("POST", "/v1/contracts/getSubscriptionQuantityHistory"),
    ("POST", "/v1/contracts/getSubscriptionSeatsHistory"),
    ("POST", "/v1/contracts/list"),
    ("POST", "/v1/contracts/listNamedSchedules"),
    ("POST", "/v1/contracts/scheduleProServicesInvoice"),
    ("POST", "/v1/contracts/seatBalances/list"),
    ("POST", "/v1/contracts/setUsageFilter"),
    ("POST", "/v1/contracts/updateEndDate"),
    ("POST", "/v1/contracts/updateNamedSchedule"),
    ("POST", "/v1/credit-types/archive"),
    ("POST", "/v1/credit-types/create"),
    ("POST", "/v1/credits/createGrant"),
    ("POST", "/v1/credits/editGrant"),
    ("POST", "/v1/credits/listEntries"),
    ("POST", "/v1/credits/listGrants"),
    ("POST", "/v1/credits/voidGrant"),
    ("POST", "/v1/customFields/addKey"),
    ("POST", "/v1/customFields/deleteValues"),
    ("POST", "/v1/customFields/listKeys"),
    ("POST", "/v1/customFields/removeKey"),
    ("POST", "/v1/customFields/setValues"),
    ("POST", "/v1/customer-alerts/get"),
    ("POST", "/v1/customer-alerts/list"),
    ("POST", "/v1/customer-alerts/reset"),
    ("POST", "/v1/customers"),
    ("POST", "/v1/customers/archive"),
    ("POST", "/v1/customers/getNamedSchedule"),
    ("POST", "/v1/customers/updateNamedSchedule"),
    ("POST", "/v1/customers/{customer_id}/addCharge"),
    ("POST", "/v1/customers/{customer_id}/billing-config/{billing_provider_type}"),
    ("POST", "/v1/customers/{customer_id}/plans/add"),
    ("POST", "/v1/customers/{customer_id}/plans/{customer_plan_id}/end"),
    ("POST", "/v1/customers/{customer_id}/previewEvents"),
    ("POST", "/v1/customers/{customer_id}/setIngestAliases"),
    ("POST", "/v1/customers/{customer_id}/setName"),
    ("POST", "/v1/customers/{customer_id}/updateConfig"),
    ("POST", "/v1/dashboards/getEmbeddableUrl"),
    ("POST", "/v1/events/search"),
    ("POST", "/v1/getCustomerBillingProviderConfigurations"),
    ("POST", "/v1/ingest"),
    ("POST", "/v1/invoices/regenerate"),
    ("POST", "/v1/invoices/void"),
    ("POST", "/v1/listConfiguredBillingProviders"),
    ("POST", "/v1/packages/archive"),
    ("POST", "/v1/packages/create"),
    ("POST", "/v1/packages/get"),
    ("POST", "/v1/packages/list"),
    ("POST", "/v1/packages/listContractsOnPackage"),
    ("POST", "/v1/setCustomerBillingProviderConfigurations"),
    ("POST", "/v1/setUpBillingProvider"),
    ("POST", "/v1/upsertAvalaraCredentials"),
    ("POST", "/v1/usage"),
    ("POST", "/v1/usage/groups"),
    ("POST", "/v2/contracts/commits/edit"),
    ("POST", "/v2/contracts/credits/edit"),
    ("POST", "/v2/contracts/edit"),
    ("POST", "/v2/contracts/get"),
    ("POST", "/v2/contracts/getEditHistory"),
    ("POST", "/v2/contracts/list"),
    ("POST", "/v2/notifications/archive"),
    ("POST", "/v2/notifications/create"),
    ("POST", "/v2/notifications/edit"),
    ("POST", "/v2/notifications/get"),
    ("POST", "/v2/notifications/offset/list"),
    ("POST", "/v2/notifications/system/list"),
    ("PUT", "/v1/billable-metrics/{billable_metric_id}"),
)
"""Method and path."""


def served(routers: Iterable[APIRouter]) -> set[tuple[str, str]]:
    """Method and path of every route, as `ENDPOINTS` writes them."""
    found = set()
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                found |= {(method, route.path.replace(":path}", "}")) for method in route.methods or ()}
    return found


def refusals(routers: Iterable[APIRouter]) -> APIRouter:
    """Routes for what is not served."""
    there, router = served(routers), APIRouter(include_in_schema=False, default_response_class=Answer, route_class=Exact)
    for method, path in ENDPOINTS:
        if (method, path) not in there:
            router.add_api_route(path, _refusal(method, path), methods=[method])
    return router


def _refusal(method: str, path: str) -> Any:
    def refuse(_: Reading, request: Request) -> Any:  # noqa: ARG001 - the route's shape
        raise NotServedError(Wrong("", f"{method} {path} is not served here; docs/reference/metronome-api.md lists what is"))

    return refuse


def table(routers: Iterable[APIRouter]) -> str:
    """The page of the documentation."""
    there = served(routers)
    rows = "\n".join(f"| `{method} {path}` | {'yes' if (method, path) in there else '501'} |" for method, path in ENDPOINTS)
    count = sum(each in there for each in ENDPOINTS)
    return f"{_HEAD.format(count=count, whole=len(ENDPOINTS))}\n| path | served |\n|---|---|\n{rows}\n"


_HEAD: Final = """# Metronome's API: what is served

Official clients (`metronome-sdk` on PyPI) work with `base_url` set to the console. {count} of {whole} paths are served; the others answer 501 and name
themselves. This page is made by `python -m console.metronome.endpoints`.

- US dollars are in cents under `/v1` and `/v2`, and only there; other currencies and pricing units are as they are.
- Ids are those of our documents. What the API makes gets UUIDs; outside of the catalogue `default` an id has its catalogue before it.
- A field that would change an amount and is not understood is refused by name (400), never dropped. Fields that decide no amount (custom fields, names,
  order numbers) are kept beside the documents, on the topic `objects`, in the transaction of the edit.
- `uniqueness_key` is used once: the second time is 409, and names what was made. An `Idempotency-Key` header repeats the first answer for a day.
- A default header `Taximeter-Clock: NAME` puts contracts on a test clock, and lets events arrive at their own time.
"""


def main() -> None:
    from console.metronome import resources  # noqa: PLC0415 - which lists the routers that this module looks at

    print(table(resources()), end="")  # noqa: T201 - the page is the output


if __name__ == "__main__":
    main()
