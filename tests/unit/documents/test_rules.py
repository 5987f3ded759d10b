"""Every rule of the documents: what is wrong is refused with file, line, key and what to do.

A rule changes one place of a right case. `#!` marks the line that the message must name.
"""

from typing import NamedTuple

import pytest

from contracts.errors import DocumentError
from contracts.loading import read_case

FILE = "deal.yaml"
RIGHT = """\
case: right
catalogue:
  currency: USD
  metrics:
    tokens: {event_types: [completion], aggregation: sum, value: tokens, group_keys: [region]}
    users: {event_types: [login], aggregation: unique, value: user}
  products:
    tokens: {name: Tokens, metric: tokens, pricing_group_keys: [region], tags: [ai]}
    logins: {name: Logins, metric: users}
    fee: {name: Fee, type: fixed}
    seat: {name: Seat, type: subscription}
    support: {name: Support, type: composite, of: {products: [tokens]}}
  rate_cards:
    list:
      rates:
        - {product: tokens, price: {per_unit: "1.00"}, ending_before: 2025-06-01}
        - {product: logins, price: {per_unit: "2.00"}}
        - {product: support, price: {percentage: {rate: "0.10"}}}
contracts:
  - id: acme-2025
    customer: acme
    rate_card: list
    starting_at: 2025-01-01
    ending_before: 2026-01-01
usage:
  - {event_type: completion, timestamp: 2025-01-02T00:00:00Z, properties: {tokens: "3"}}
as_of: 2025-01-03T00:00:00Z
"""
RATE = '        - {product: logins, price: {per_unit: "2.00"}}\n'
CONTRACT = "    ending_before: 2026-01-01\n"
SECOND = "  - {id: other, customer: other, rate_card: list, starting_at: 2025-01-01}\n"
USAGE = '  - {event_type: completion, timestamp: 2025-01-02T00:00:00Z, properties: {tokens: "3"}}\n'
AS_OF = "as_of: 2025-01-03T00:00:00Z\n"
COMMIT = 'access: [{amount: "100", starting_at: 2025-01-01}]'


class Rule(NamedTuple):
    name: str
    old: str
    new: str
    key: str
    wrong: str
    remedy: str


def added(name: str, lines: str, key: str, wrong: str, remedy: str) -> Rule:
    """A rule about something in the contract."""
    return Rule(name, CONTRACT, CONTRACT + lines, key and f"contracts[0].{key}", wrong, remedy)


def rate(name: str, price: str, key: str, wrong: str, remedy: str) -> Rule:
    return Rule(name, RATE, f"        - {{product: logins, price: {price}}}  #!\n", f"catalogue.rate_cards.list.rates[1].{key}".rstrip("."), wrong, remedy)


def expression(name: str, text: str, wrong: str, remedy: str) -> Rule:
    new = f"value: {{expression: {text!r}}}, group_keys: [region]}} #!"
    return Rule(name, "value: tokens, group_keys: [region]}", new, "catalogue.metrics.tokens.value.expression", wrong, remedy)


TEXT = [
    Rule("no YAML", AS_OF, "as_of: ]  #!\n", "", "is no YAML", ""),
    Rule("a key twice", "  currency: USD\n", "  currency: USD  #!\n  currency: EUR\n", "catalogue.currency", "twice, in lines 3 and 4", "keep one"),
    Rule("unknown key", "    customer: acme\n", "    custommer: acme  #!\n", "contracts[0].custommer", "unknown key 'custommer'", "did you mean 'customer'"),
    Rule("missing key", "    customer: acme\n", "", "contracts[0]", "'customer' is missing", "must be given"),
    Rule("unknown key at the top", AS_OF, AS_OF + "as_off: 2025-01-03  #!\n", "as_off", "unknown key 'as_off'", "did you mean 'as_of'"),
    Rule("a float", '{per_unit: "2.00"}', "{per_unit: 2.00}", "catalogue.rate_cards.list.rates[1].price.per_unit", "2.00 is a float", 'in quotes: "2.00"'),
    Rule("an exponent", '{per_unit: "2.00"}', '{per_unit: "2e3"}', "catalogue.rate_cards.list.rates[1].price.per_unit", "'2e3' is no plain decimal", "digits and a point"),
    Rule("words for a number", '{per_unit: "2.00"}', '{per_unit: "two"}', "catalogue.rate_cards.list.rates[1].price.per_unit", "'two' is no plain decimal", "digits and a point"),
    Rule("too many digits", '{per_unit: "2.00"}', '{per_unit: "' + "9" * 60 + '"}', "catalogue.rate_cards.list.rates[1].price.per_unit", "60 digits", "40 are allowed"),
    Rule("a float property", 'properties: {tokens: "3"}', "properties: {tokens: 3.5}", "usage[0].properties.tokens", "3.5 is a float", '"3.5"'),
    added("yes is a word", "    subscriptions: [{id: s, product: seat, price: 1, prorate: yes}]  #!\n", "subscriptions[0].prorate", "must be true or false", "write true"),
    added("off is a word", "    subscriptions: [{id: s, product: seat, price: 1, prorate: off}]  #!\n", "subscriptions[0].prorate", "must be true or false", "write false"),
    added("a boolean where text belongs", "    name: true  #!\n", "name", "must be text", 'quotes: "true"'),
    added("a list where one is needed", "    billing: [monthly]  #!\n", "billing", "must be a mapping", "period"),
    added("one where a list is needed", "    aliases: acme-old  #!\n", "aliases", "must be a list", ""),
    added("a wrong word", "    late_usage: next_invoce  #!\n", "late_usage", "must be one of next_invoice, reopen, drop", "did you mean 'next_invoice'"),
    added("a tag", "    name: !!python/name:os.system x  #!\n", "name", "the tag", "leave it out"),
]
CATALOGUE = [
    Rule("currency", "currency: USD", "currency: DOLLAR  #!", "catalogue.currency", "'DOLLAR' is no currency of ISO 4217", "known:"),
    Rule("time zone", "  currency: USD\n", "  currency: USD\n  timezone: Mars/Olympus  #!\n", "catalogue.timezone", "no known time zone", "IANA name"),
    Rule("empty id", "  currency: USD\n", '  currency: USD\n  id: ""  #!\n', "catalogue.id", "must not be empty", ""),
    Rule("no event types", "event_types: [login]", "event_types: []", "catalogue.metrics.users.event_types", "at least one event type", ""),
    Rule("value of count", "aggregation: unique, value: user", "aggregation: count, value: user", "catalogue.metrics.users.value", "count counts events", "leave it out"),
    Rule("no value", "aggregation: unique, value: user", "aggregation: unique", "catalogue.metrics.users", "unique needs a value", "a property name"),
    Rule("carry of a sum", "aggregation: sum,", "aggregation: sum, carry: true,", "catalogue.metrics.tokens.carry", "not sum", "latest, unique, time_weighted can carry"),
    Rule("unknown aggregation", "aggregation: unique", "aggregation: average", "catalogue.metrics.users.aggregation", "must be one of", "count, sum, max"),
    Rule("empty filter", "value: user", "value: user, where: {status: []}", "catalogue.metrics.users.where.status", "matches nothing", "at least one value"),
    Rule("empty condition", "value: user", "value: user, where: {status: {}}", "catalogue.metrics.users.where.status", "a condition needs", "{exists: true}"),
    Rule("unknown metric", "metric: users", "metric: user", "catalogue.products.logins.metric", "no metric 'user'", "did you mean 'users'"),
    Rule("product without metric", "name: Logins, metric: users", "name: Logins", "catalogue.products.logins", "needs a metric", "type: fixed"),
    Rule("metric of a fee", "name: Fee, type: fixed", "name: Fee, type: fixed, metric: users", "catalogue.products.fee.metric", "not metered", "leave metric out"),
    Rule("group key", "pricing_group_keys: [region]", "pricing_group_keys: [regon]", "catalogue.products.tokens.pricing_group_keys[0]", "no group key of the metric", "did you mean 'region'"),
    Rule("presentation key", "tags: [ai]", "presentation_group_keys: [user]", "catalogue.products.tokens.presentation_group_keys[0]", "no group key of the metric", "add it to group_keys"),
    Rule("divide by zero", "tags: [ai]", "quantity: {divide_by: 0}", "catalogue.products.tokens.quantity.divide_by", "0 must be more than 0", ""),
    Rule("decimals", "tags: [ai]", "quantity: {decimals: 13}", "catalogue.products.tokens.quantity.decimals", "13 decimals", "0 to 12 are allowed"),
    Rule("composite of nothing", ", of: {products: [tokens]}", "", "catalogue.products.support", "needs `of:", "what it is a share of"),
    Rule("composite of unknown", "of: {products: [tokens]}", "of: {products: [token]}", "catalogue.products.support.of.products[0]", "no product 'token'", "did you mean 'tokens'"),
    Rule("composite of unknown tag", "of: {products: [tokens]}", "of: {tags: [a1]}", "catalogue.products.support.of.tags[0]", "no product with the tag 'a1'", "known: ai"),
    Rule("composite of itself", "of: {products: [tokens]}", "of: {products: [support]}", "catalogue.products.support.of", "a share of itself: support → support", "take one of them out"),
    Rule("share of a usage product", "tags: [ai]", "of: {products: [logins]}", "catalogue.products.tokens.of", "only a composite product", "type: composite"),
    Rule("rate of unknown product", "{product: logins,", "{product: login,", "catalogue.rate_cards.list.rates[1].product", "no product 'login'", "did you mean 'logins'"),
    Rule("overlapping rates", RATE, RATE + RATE.replace("}}", "}}  #!"), "catalogue.rate_cards.list.rates[2]", "overlapping rates: rate 3 and rate 2", "end the earlier one"),
    Rule("overlap of one group", RATE, RATE + "        - {product: tokens, where: {region: eu}, price: {per_unit: 1}}\n        - {product: tokens, where: {region: [eu, us]}, price: {per_unit: 2}}  #!\n", "catalogue.rate_cards.list.rates[3]", "where region is the same", "end the earlier one"),
    Rule("rate by a foreign key", RATE, RATE + "        - {product: logins, where: {region: eu}, price: {per_unit: 1}, starting_at: 2026-01-01}  #!\n", "catalogue.rate_cards.list.rates[2].where.region", "does not split this product", "pricing_group_keys"),
    Rule("boundary off the window", "ending_before: 2025-06-01", "ending_before: 2025-06-01T10:20:00Z", "catalogue.rate_cards.list.rates[0].ending_before", "not on the metering window of 60 minutes", "2025-06-01T10:00:00Z"),
    Rule("rate ends before it starts", "ending_before: 2025-06-01", "starting_at: 2025-07-01, ending_before: 2025-06-01", "catalogue.rate_cards.list.rates[0].ending_before", "must be after the start", ""),
    Rule("no instant", "ending_before: 2025-06-01", "ending_before: June", "catalogue.rate_cards.list.rates[0].ending_before", "'June' is no instant", "RFC 3339"),
    Rule("unknown unit", "{product: logins,", "{product: logins, unit: coin,", "catalogue.rate_cards.list.rates[1].unit", "no pricing unit 'coin'", "known: none"),
    Rule("unit for nothing", "  currency: USD\n", "  currency: USD\n  pricing_units: {coin: {price: 0}}  #!\n", "catalogue.pricing_units.coin.price", "must be more than 0", ""),
    expression("expression of an unknown function", "sqrt(tokens)", "no function 'sqrt'", "allowed are"),
    expression("expression with a near name", "leest(tokens, 1)", "no function 'leest'", "did you mean least"),
    expression("expression that reads a file", "file(tokens)", "no function 'file'", "allowed are"),
    expression("expression that selects", "(select 1)", "has no place in an expression", "allowed are"),
    expression("broken expression", "tokens +", "is no expression", "allowed are"),
]
PRICES = [
    rate("no price", "{}", "price", "exactly one of per_unit, package", "none is given"),
    rate("two prices", "{per_unit: 1, flat: 2}", "price", "exactly one of", "per_unit and flat are given"),
    rate("negative price", '{per_unit: "-1"}', "price.per_unit", "-1 is negative", "0 or more"),
    rate("negative flat", '{flat: "-1"}', "price.flat", "-1 is negative", "0 or more"),
    rate("negative free units", '{per_unit: 1, free: "-1"}', "price.free", "-1 is negative", "0 or more"),
    rate("free units of a flat", "{flat: 1, free: 5}", "price.free", "free units go with", "per_unit, package, graduated or volume"),
    rate("package of nothing", "{package: {size: 0, price: 1}}", "price.package.size", "0 must be more than 0", ""),
    rate("negative package price", "{package: {size: 1, price: -1}}", "price.package.price", "-1 is negative", "0 or more"),
    rate("percentage of usage", '{percentage: {rate: "0.1"}}', "price.percentage", "composite products only", "type: composite"),
    rate("no tiers", "{graduated: []}", "price.graduated", "at least one tier", "no up_to"),
    rate("tiers out of order", "{graduated: [{up_to: 10, per_unit: 1}, {up_to: 5, per_unit: 1}, {per_unit: 1}]}", "price.graduated[1].up_to", "ascending order", "up_to is cumulative"),
    rate("equal tiers", "{volume: [{up_to: 10, per_unit: 1}, {up_to: 10, per_unit: 1}, {per_unit: 1}]}", "price.volume[1].up_to", "ascending order", "up_to is cumulative"),
    rate("open tier in the middle", "{graduated: [{per_unit: 1}, {per_unit: 2}]}", "price.graduated[0]", "only the last tier is open", "give this one an up_to"),
    rate("closed last tier", "{volume: [{up_to: 10, per_unit: 1}]}", "price.volume[0].up_to", "must be open", "no up_to"),
    rate("tier up to nothing", "{graduated: [{up_to: 0, per_unit: 1}, {per_unit: 1}]}", "price.graduated[0].up_to", "more than 0", ""),
    rate("negative tier", "{graduated: [{per_unit: -1}]}", "price.graduated[0].per_unit", "-1 is negative", "0 or more"),
    rate("negative tier flat", "{graduated: [{flat: -1}]}", "price.graduated[0].flat", "-1 is negative", "0 or more"),
    rate("wrong commit price", "{per_unit: 1}, commit_price: {}", "commit_price", "exactly one of", "none is given"),
    Rule("composite by units", '{percentage: {rate: "0.10"}}', "{per_unit: 1}", "catalogue.rate_cards.list.rates[2].price", "priced by percentage", "{percentage: {rate:"),
    Rule("negative percentage", 'rate: "0.10"', 'rate: "-0.10"', "catalogue.rate_cards.list.rates[2].price.percentage.rate", "-0.10 is negative", "0 or more"),
    Rule("negative floor", 'rate: "0.10"', 'rate: "0.10", minimum: -1', "catalogue.rate_cards.list.rates[2].price.percentage.minimum", "-1 is negative", "0 or more"),
]
CONTRACTS = [
    Rule("empty contract id", "id: acme-2025", 'id: ""', "contracts[0].id", "must not be empty", ""),
    Rule("empty customer", "    customer: acme", '    customer: ""', "contracts[0].customer", "must not be empty", ""),
    added("empty clock", '    clock: ""  #!\n', "clock", "a clock is `wall`", "test clock"),
    added("other catalogue", "    catalogue: eu  #!\n", "catalogue", "'eu' is another one", "'default'"),
    Rule("unknown rate card", "rate_card: list", "rate_card: lists", "contracts[0].rate_card", "no rate card 'lists'", "did you mean 'list'"),
    added("unknown zone", "    billing: {timezone: Europe/Berlln}  #!\n", "billing.timezone", "no known time zone", "Europe/Berlin"),
    Rule("zone off the window", "    starting_at: 2025-01-01\n" + CONTRACT, "    starting_at: 2025-01-01T00:00:00Z\n    billing: {timezone: Asia/Kolkata}  #!\n", "contracts[0].billing.timezone", "do not begin on the metering window", "windows of 30 or 15 minutes"),
    added("no anchor", "    billing: {anchor: first_of_moon}  #!\n", "billing.anchor", "is no anchor", "first_of_month, contract_start or a date"),
    added("grace of months", "    billing: {grace: P1M}  #!\n", "billing.grace", "no duration of fixed length", "P1D (24 hours)"),
    Rule("contract ends at once", CONTRACT, "    ending_before: 2025-01-01  #!\n", "contracts[0].ending_before", "must be after the start", ""),
    Rule("contract off the window", CONTRACT, "    ending_before: 2025-12-01T00:30:00Z  #!\n", "contracts[0].ending_before", "not on the metering window", "move it to the full hour"),
    added("override twice", "    overrides:\n      - {id: a, multiplier: 1}\n      - {id: a, multiplier: 1}  #!\n", "overrides[1].id", "'a' is given twice", "must be unique"),
    added("override without effect", "    overrides: [{id: a}]  #!\n", "overrides[0]", "exactly one effect", "it has none"),
    added("override with two effects", "    overrides: [{id: a, multiplier: 1, entitled: false}]  #!\n", "overrides[0]", "exactly one effect", "Split it"),
    added("override of unknown product", "    overrides: [{id: a, multiplier: 1, products: [token]}]  #!\n", "overrides[0].products[0]", "no product 'token'", "did you mean 'tokens'"),
    added("override of unknown tag", "    overrides: [{id: a, multiplier: 1, tags: [al]}]  #!\n", "overrides[0].tags[0]", "no product with the tag 'al'", "known: ai"),
    added("override of unknown commit", "    overrides: [{id: a, multiplier: 1, commits: [x]}]  #!\n", "overrides[0].commits[0]", "no commit or credit 'x'", "known: none"),
    added("override by a foreign key", "    overrides: [{id: a, multiplier: 1, products: [logins], where: {region: eu}}]  #!\n", "overrides[0].where.region", "could never hold", "pricing_group_keys"),
    added("override off the window", "    overrides: [{id: a, multiplier: 1, starting_at: 2025-10-15T12:34:56Z}]  #!\n", "overrides[0].starting_at", "not on the metering window", "2025-10-15T12:00:00Z"),
    added("negative multiplier", "    overrides: [{id: a, multiplier: -1}]  #!\n", "overrides[0].multiplier", "-1 is negative", "0 or more"),
    added("override without tiers", "    overrides: [{id: a, tiers: []}]  #!\n", "overrides[0].tiers", "at least one tier", "{size, multiplier}"),
    added("override with an open tier first", "    overrides: [{id: a, tiers: [{multiplier: 1}, {size: 1, multiplier: 1}]}]  #!\n", "overrides[0].tiers[0]", "only the last tier", "all further units"),
    added("override tier of nothing", "    overrides: [{id: a, tiers: [{size: 0, multiplier: 1}]}]  #!\n", "overrides[0].tiers[0].size", "more than 0", ""),
    added("override with a wrong price", "    overrides: [{id: a, products: [support], price: {per_unit: 1}}]  #!\n", "overrides[0].price", "priced by percentage", "percentage"),
]
GRANTS = [
    added("commit twice", f"    commits:\n      - {{id: a, type: prepaid, {COMMIT}}}\n      - {{id: a, type: prepaid, {COMMIT}}}  #!\n", "commits[1].id", "'a' is given twice", "must be unique"),
    added("no access", "    commits: [{id: a, type: prepaid, access: []}]  #!\n", "commits[0].access", "at least one segment", "{amount, starting_at, ending_before}"),
    added("negative access", "    credits: [{id: a, access: [{amount: -1, starting_at: 2025-01-01}]}]  #!\n", "credits[0].access[0].amount", "-1 is negative", "0 or more"),
    added("access ends before it starts", "    credits: [{id: a, access: [{amount: 1, starting_at: 2025-02-01, ending_before: 2025-01-01}]}]  #!\n", "credits[0].access[0].ending_before", "must be after the start", ""),
    added("postpaid mismatch", f"    commits: [{{id: a, type: postpaid, {COMMIT}, invoice: [{{amount: 90, at: 2026-01-01}}]}}]  #!\n", "commits[0].invoice[0].amount", "must equal the access total", "the access total is 100"),
    added("postpaid without invoice", f"    commits: [{{id: a, type: postpaid, {COMMIT}}}]  #!\n", "commits[0]", "exactly one invoice item", "its amount is the access total of 100"),
    added("negative invoice", f"    commits: [{{id: a, type: prepaid, {COMMIT}, invoice: [{{amount: -1, at: 2025-01-01}}]}}]  #!\n", "commits[0].invoice[0].amount", "-1 is negative", "0 or more"),
    added("rollover above one", f"    commits: [{{id: a, type: prepaid, {COMMIT}, rollover: 50}}]  #!\n", "commits[0].rollover", "50 is no share", "from 0 to 1"),
    added("shared with a word", f"    commits: [{{id: a, type: prepaid, {COMMIT}, shared: child}}]  #!\n", "commits[0].shared", "'child'", "a list of contract ids: [child]"),
    added("commit for unknown product", f"    commits: [{{id: a, type: prepaid, {COMMIT}, products: [x]}}]  #!\n", "commits[0].products[0]", "no product 'x'", "known:"),
    added("commit by a foreign key", f"    commits: [{{id: a, type: prepaid, {COMMIT}, where: {{zone: eu}}}}]  #!\n", "commits[0].where.zone", "would never pay", "use one of: region"),
    added("credit off the window", "    credits: [{id: a, access: [{amount: 1, starting_at: 2025-01-01T00:10:00Z}]}]  #!\n", "credits[0].access[0].starting_at", "not on the metering window", "full hour"),
    added("recurring credit of less than nothing", "    recurring_credits: [{id: a, amount: -1}]  #!\n", "recurring_credits[0].amount", "-1 is negative", "0 or more"),
    added("recurring credit valid for no period", "    recurring_credits: [{id: a, amount: 1, valid_periods: 0}]  #!\n", "recurring_credits[0].valid_periods", "more than 0", ""),
    added("recurring commit with a negative invoice", "    recurring_commits: [{id: a, amount: 1, invoice_amount: -1}]  #!\n", "recurring_commits[0].invoice_amount", "-1 is negative", "0 or more"),
]
TERMS = [
    added("charge for usage", "    charges: [{id: a, product: tokens, amount: 1, at: 2025-01-01}]  #!\n", "charges[0].product", "priced by the rate card", "type: fixed"),
    added("charge for unknown product", "    charges: [{id: a, product: fees, amount: 1, at: 2025-01-01}]  #!\n", "charges[0].product", "no product 'fees'", "did you mean 'fee'"),
    added("negative charge", "    charges: [{id: a, product: fee, amount: -1, at: 2025-01-01}]  #!\n", "charges[0].amount", "-1 is negative", "write a credit"),
    added("charge without a time", "    charges: [{id: a, product: fee, amount: 1}]  #!\n", "charges[0]", "when is it charged", "Give at: a time, or every"),
    added("charge once and again", "    charges: [{id: a, product: fee, amount: 1, at: 2025-01-01, every: month}]  #!\n", "charges[0]", "once (at) or in a series", "not both"),
    added("charge once until", "    charges: [{id: a, product: fee, amount: 1, at: 2025-01-01, until: 2025-02-01}]  #!\n", "charges[0].until", "until belongs to a series", "every"),
    added("charge ends before it starts", "    charges: [{id: a, product: fee, amount: 1, every: month, from: 2025-03-01, until: 2025-02-01}]  #!\n", "charges[0].until", "must be after the start", ""),
    Rule("divided without an end", CONTRACT, "    charges: [{id: a, product: fee, amount: 1, every: month, split: divided}]  #!\n", "contracts[0].charges[0].split", "the series needs an end", "give until"),
    added("negative charge quantity", "    charges: [{id: a, product: fee, amount: 1, quantity: -1, at: 2025-01-01}]  #!\n", "charges[0].quantity", "-1 is negative", "0 or more"),
    added("subscription to usage", "    subscriptions: [{id: a, product: tokens, price: 1}]  #!\n", "subscriptions[0].product", "priced by the rate card", "type: subscription"),
    added("negative seats", "    subscriptions: [{id: a, product: seat, price: 1, quantity: -1}]  #!\n", "subscriptions[0].quantity", "-1 is negative", "0 or more"),
    added("negative seat price", "    subscriptions: [{id: a, product: seat, price: -1}]  #!\n", "subscriptions[0].price", "-1 is negative", "0 or more"),
    added("change of nothing", "    subscriptions: [{id: a, product: seat, price: 1, changes: [{at: 2025-02-01}]}]  #!\n", "subscriptions[0].changes[0]", "a change names", "a quantity, a price or both"),
    added("change before the start", "    subscriptions: [{id: a, product: seat, price: 1, changes: [{at: 2024-02-01, quantity: 1}]}]  #!\n", "subscriptions[0].changes[0].at", "before the subscription starts", "write its quantity and price instead"),
    added("change after the end", "    subscriptions: [{id: a, product: seat, price: 1, ending_before: 2025-02-01, changes: [{at: 2025-03-01, quantity: 1}]}]  #!\n", "subscriptions[0].changes[0].at", "after the subscription has ended", "at 2025-02-01"),
    added("two changes at once", "    subscriptions: [{id: a, product: seat, price: 1, changes: [{at: 2025-02-01, quantity: 1}, {at: 2025-02-01, price: 1}]}]  #!\n", "subscriptions[0].changes[1].at", "another change", "write both as one"),
    added("negative minimum", "    minimum: {amount: -1}  #!\n", "minimum.amount", "-1 is negative", "0 or more"),
    added("minimum of unknown product", "    minimum: {amount: 1, products: [x]}  #!\n", "minimum.products[0]", "no product 'x'", "known:"),
    added("minimum above maximum", "    minimum: {amount: 2}  #!\n    maximum: {amount: 1}\n", "minimum", "the minimum of 2 is above the maximum of 1", ""),
    added("discount of nothing", "    discounts: [{id: a}]  #!\n", "discounts[0]", "exactly one of percent and amount", "neither is given"),
    added("discount of both", "    discounts: [{id: a, percent: 1, amount: 1}]  #!\n", "discounts[0]", "exactly one of percent and amount", "both are given"),
    added("discount of more than all", "    discounts: [{id: a, percent: 101}]  #!\n", "discounts[0].percent", "101 is outside 0 to 100", '"10" is a tenth'),
    added("negative discount", "    discounts: [{id: a, amount: -1}]  #!\n", "discounts[0].amount", "-1 is negative", "0 or more"),
    added("usage threshold without metric", "    thresholds: [{id: a, measure: usage, at: 1}]  #!\n", "thresholds[0]", "needs a metric", "known: tokens, users"),
    added("spend threshold with metric", "    thresholds: [{id: a, measure: spend, at: 1, metric: tokens}]  #!\n", "thresholds[0].metric", "only measure usage takes a metric", "not spend"),
    added("threshold of unknown metric", "    thresholds: [{id: a, measure: usage, at: 1, metric: token}]  #!\n", "thresholds[0].metric", "no metric 'token'", "did you mean 'tokens'"),
    added("threshold above all", "    thresholds: [{id: a, measure: balance_percent, at: 120}]  #!\n", "thresholds[0].at", "above 100 percent", ""),
    added("negative threshold", "    thresholds: [{id: a, measure: spend, at: -1}]  #!\n", "thresholds[0].at", "-1 is negative", "0 or more"),
    added("threshold repeated by nothing", "    thresholds: [{id: a, measure: spend, at: 1, repeat: 0}]  #!\n", "thresholds[0].repeat", "more than 0", ""),
    added("spend threshold of a commit", f"    commits: [{{id: p, type: prepaid, {COMMIT}}}]\n    thresholds: [{{id: a, measure: spend, at: 1, commits: [p]}}]  #!\n", "thresholds[0].commits", "narrow down a balance", "not go with measure spend"),
    added("threshold of an unknown commit", "    thresholds: [{id: a, measure: balance, at: 1, commits: [p]}]  #!\n", "thresholds[0].commits[0]", "no commit or credit 'p'", "known: none"),
]
FAMILY = [
    added("unknown parent", "    parent: group  #!\n", "parent", "no contract 'group'", "known: none"),
    added("own parent", "    parent: acme-2025  #!\n", "parent", "its own parent", "cycle"),
    Rule("cycle of parents", CONTRACT, CONTRACT + "    parent: other  #!\n" + SECOND.replace("2025-01-01}", "2025-01-01, parent: acme-2025}"), "contracts[0].parent", "the parents form a cycle: acme-2025 → other → acme-2025", "take one of these `parent` out"),
    added("payer without parent", "    payer: parent  #!\n", "payer", "needs a parent", "the id of the contract that pays"),
    added("unknown renewal", "    renews: acme-2024  #!\n", "renews", "no contract 'acme-2024'", "known: none"),
    added("renews itself", "    renews: acme-2025  #!\n", "renews", "its own renewal", "cycle"),
    added("alias twice", "    aliases: [a, a]  #!\n", "aliases[1]", "'a' is given twice", ""),
    added("empty alias", '    aliases: [""]  #!\n', "aliases[0]", "must not be empty", ""),
    Rule("alias of another customer", CONTRACT, CONTRACT + "    aliases: [other]  #!\n" + SECOND, "contracts[0].aliases[0]", "is the customer of contract 'other'", "one customer only"),
    Rule("alias that is taken", CONTRACT, CONTRACT + "    aliases: [x]  #!\n" + SECOND.replace("2025-01-01}", "2025-01-01, aliases: [x]}"), "contracts[0].aliases[0]", "already an alias of customer 'other'", "take it out there first"),
    Rule("a contract twice", CONTRACT, CONTRACT + "  - {id: acme-2025, customer: acme, starting_at: 2026-01-01}  #!\n", "contracts[1].id", "is given twice", "a later version under edits"),
    Rule("two contracts at one time", CONTRACT, CONTRACT + "  - {id: acme-b, customer: acme, rate_card: list, starting_at: 2025-06-01}  #!\n", "contracts[1]", "nothing tells which of them takes the usage", "usage_filter"),
    added("empty usage filter", "    usage_filter: {where: {}}  #!\n", "usage_filter.where", "at least one property", "{project: [x]}"),
]
EDIT = "edits:\n  - at: 2025-03-10T00:00:00Z\n    contract: {id: acme-2025, customer: acme, rate_card: list, starting_at: 2025-01-01, ending_before: 2026-01-01"
LATE = AS_OF.replace("2025-01-03", "2025-04-01")
CASES = [
    Rule("edit of nothing", AS_OF, AS_OF + "edits:\n  - {at: 2025-01-02T00:00:00Z}  #!\n", "edits[0]", "contract, or catalogue", ""),
    Rule("edit of the customer", AS_OF, LATE + EDIT.replace("customer: acme", "customer: emca") + "}  #!\n", "edits[0].contract.customer", "cannot change the customer from 'acme' to 'emca'", "end this contract"),
    Rule("edit of a final period", AS_OF, LATE + EDIT + ", discounts: [{id: d, percent: 1, starting_at: 2025-01-01, ending_before: 2025-02-01}]}  #!\n", "edits[0].contract.discounts[0]", "lies in a final period", "void that invoice first"),
    Rule("edit of the start of a final period", AS_OF, LATE + EDIT.replace("starting_at: 2025-01-01", "starting_at: 2025-02-01") + "}  #!\n", "edits[0].contract.starting_at", "are final", "cannot change from 2025-01-01"),
    Rule("edit of the billing of final periods", AS_OF, LATE + EDIT + ", billing: {period: weekly}}  #!\n", "edits[0].contract.billing", "are final", "end this contract"),
    Rule("edit that ends the contract in a final period", AS_OF, LATE + EDIT.replace("ending_before: 2026-01-01", "ending_before: 2025-02-01") + "}  #!\n", "edits[0].contract.ending_before", "lies in a final period", "void that invoice first"),
    Rule("wrong part of an edit", AS_OF, LATE + EDIT + ", overrides: [{id: a, multiplier: 1, products: [token]}]}  #!\n", "edits[0].contract.overrides[0].products[0]", "no product 'token'", "did you mean 'tokens'"),
    Rule("edit of the currency", AS_OF, AS_OF + "edits:\n  - {at: 2025-01-02T00:00:00Z, catalogue: {currency: EUR}}  #!\n", "edits[0].catalogue.currency", "cannot change from USD to EUR", "make a catalogue with another id"),
    Rule("edit that takes a product away", AS_OF, AS_OF + "edits:\n  - {at: 2025-01-02T00:00:00Z, catalogue: {currency: USD}}  #!\n", "edits[0].catalogue", "would no longer fit", "no rate card 'list'"),
    Rule("action of nothing", AS_OF, AS_OF + "actions: [{at: 2025-01-02T00:00:00Z}]  #!\n", "actions[0]", "exactly one of void, regenerate, finalize", "{contract, starting_at}"),
    Rule("action on unknown contract", AS_OF, AS_OF + "actions: [{at: 2025-01-02T00:00:00Z, void: {contract: acme, starting_at: 2025-01-01}}]  #!\n", "actions[0].void.contract", "no contract 'acme'", "did you mean 'acme-2025'"),
    Rule("usage of nobody", "usage:\n" + USAGE, SECOND + "usage:\n" + USAGE.rstrip() + "  #!\n", "usage[0]", "each usage line names its customer", ""),
    Rule("usage at no time", "timestamp: 2025-01-02T00:00:00Z", "timestamp: yesterday", "usage[0].timestamp", "'yesterday' is no instant", "RFC 3339"),
    Rule("a run without a step", 'properties: {tokens: "3"}', "repeat: {every: PT0S, times: 3}", "usage[0].repeat.every", "more than nothing", ""),
    Rule("a run of months", 'properties: {tokens: "3"}', "repeat: {every: P1M, times: 3}", "usage[0].repeat.every", "no duration of fixed length", "P1D (24 hours)"),
    Rule("a run of none", 'properties: {tokens: "3"}', "repeat: {every: P1D, times: 0}", "usage[0].repeat.times", "more than 0", ""),
    Rule("no reading", AS_OF, "", "", "'as_of' is missing", "readings: [{as_of, expect}]"),
    Rule("two ways of reading", AS_OF, AS_OF.rstrip() + "  #!\nreadings: [{as_of: 2025-01-02}]\n", "as_of", "one as_of and expect, or readings", "not both"),
    Rule("reading at no time", AS_OF, "readings: [{as_of: later}]  #!\n", "readings[0].as_of", "'later' is no instant", "RFC 3339"),
]
RULES = [*TEXT, *CATALOGUE, *PRICES, *CONTRACTS, *GRANTS, *TERMS, *FAMILY, *CASES]


def refused(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_case(text, FILE)
    return caught.value.problems


def expected_line(rule: Rule, text: str) -> int | None:
    """Where `#!` stands, or the line of the changed words."""
    lines = text.splitlines()
    marked = [number for number, line in enumerate(lines, 1) if "#!" in line]
    if marked:
        return marked[0]
    changed = [number for number, line in enumerate(lines, 1) if line not in RIGHT.splitlines()]
    return changed[0] if changed else None


def test_the_case_that_all_rules_change_is_right() -> None:
    assert read_case(RIGHT, FILE).case == "right"


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_what_is_wrong_is_told_with_its_place_and_what_to_do(rule: Rule) -> None:
    # given a right case in which one place is wrong
    assert RIGHT.count(rule.old) == 1
    text = RIGHT.replace(rule.old, rule.new)
    # when it is read
    problems = refused(text)
    # then one of the problems names file, line and key, what is wrong, and what to do
    line = expected_line(rule, text)
    key = f": {rule.key}:" if rule.key else ":"
    told = [problem for problem in problems if problem.startswith(f"{FILE}:") and key in problem and rule.wrong in problem and rule.remedy in problem]
    assert told, "\n".join(problems)
    if line is not None:
        assert told[0].startswith(f"{FILE}:{line}{key}" if rule.key else f"{FILE}:{line}:"), f"line {line} expected\n" + "\n".join(problems)


def test_a_document_is_refused_as_a_whole_and_tells_everything_at_once() -> None:
    # given three mistakes far apart
    text = RIGHT.replace("metric: users", "metric: user").replace("rate_card: list", "rate_card: lists").replace("timestamp: 2025-01-02T00:00:00Z", "timestamp: x")
    # then all are told, in the order of their lines
    problems = refused(text)
    assert [problem.split(": ")[1] for problem in problems] == ["catalogue.products.logins.metric", "contracts[0].rate_card", "usage[0].timestamp"]


@pytest.mark.parametrize("word", ("yes", "no", "on", "off", "Yes", "NO", "True", "y", "n", "2025-01-01", "1:30", "0o17x", "null_", "~x"))
def test_words_of_yaml_1_1_are_text(word: str) -> None:
    # given a property value that an older YAML reads as something else
    case = read_case(RIGHT.replace('properties: {tokens: "3"}', f"properties: {{tokens: 1, answer: {word}}}"), FILE)
    # then it is the text that stands there
    assert case.usage[0].properties["answer"] == word


@pytest.mark.parametrize(("written", "read"), (("true", "true"), ("false", "false"), ("017", "17"), ("0x10", "16"), ("0o17", "15"), ("+5", "5"), ('"007"', "007")))
def test_core_schema_scalars(written: str, read: str) -> None:
    case = read_case(RIGHT.replace('properties: {tokens: "3"}', f"properties: {{tokens: 1, answer: {written}}}"), FILE)
    assert case.usage[0].properties["answer"] == read
