"""The topics behind holds: `holds` itself, and what RATE says is left on `balances`."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from contracts.contract import Contract
from pipelines.following import Follower
from pipelines.holds.step import KEEPING, Balance, Hold
from pipelines.topology import BALANCES, HOLDS
from schemas.codec import Codec


def encode(codec: Codec, hold: Hold) -> bytes:
    return codec.encode(
        "hold",
        {
            "id": hold.id,
            "customer": hold.customer,
            "root": hold.root,
            "amount": hold.amount,
            "reserved": hold.reserved,
            "currency": hold.currency,
            "state": hold.state,
            "created_at": hold.created_ms,
            "expires_at": hold.expires_ms,
            "changed_at": hold.changed_ms,
            "version": hold.version,
        },
    )


class HoldLog:
    """The newest state of every hold. Not thread safe for those who write."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self.holds: dict[str, Hold] = {}
        self._keeping: dict[str, dict[str, Hold]] = {}
        self._codec = codec
        self._follower = Follower(bootstrap, HOLDS.name, self._take)

    def catch_up(self) -> None:
        self._follower.catch_up()

    def record(self, hold: Hold) -> None:
        """Take a state, unless a newer one is known."""
        known = self.holds.get(hold.id)
        if known is None or known.version < hold.version:
            self.holds[hold.id] = hold
            keeping = self._keeping.setdefault(hold.root, {})
            if hold.state in KEEPING:
                keeping[hold.id] = hold
            else:
                keeping.pop(hold.id, None)

    def forget(self, name: str) -> None:
        gone = self.holds.pop(name, None)
        if gone is not None:
            self._keeping[gone.root].pop(name, None)

    def keeping(self, root: str, now_ms: int) -> dict[str, Hold]:
        """Those of a family that keep an amount back; what has expired is not looked at again."""
        kept = {name: hold for name, hold in list(self._keeping.get(root, {}).items()) if hold.keeps(now_ms)}
        self._keeping[root] = dict(kept)
        return kept

    def over(self, before_ms: int, most: int) -> list[Hold]:
        """Some of those that were over before a time."""
        oldest = list(islice(self.holds.values(), 2 * most))
        return [each for each in oldest if not each.keeps(before_ms) and max(each.changed_ms, each.expires_ms) < before_ms][:most]

    def close(self) -> None:
        self._follower.close()

    def _take(self, message: Any) -> None:
        if message.value() is None:
            self.forget(message.key().decode())
            return
        found = self._codec.decode("hold", message.value())
        self.record(
            Hold(
                found["id"],
                found["customer"],
                found["root"],
                found["amount"],
                found["reserved"],
                found["currency"],
                found["created_at"],
                found["expires_at"],
                found["changed_at"],
                found["state"],
                found["version"],
            )
        )


class BalanceLog:
    """What is left of each prepaid commit and credit, as RATE said last. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._codec = codec
        self._kept: dict[str, dict[tuple[str, str], tuple[int, Balance]]] = {}
        self._follower = Follower(bootstrap, BALANCES.name, self._take, live=True)

    def catch_up(self) -> None:
        self._follower.catch_up()

    def look(self) -> None:
        """Take what has come."""
        self._follower.look(0.0)

    def of(self, customer: str, contracts: Mapping[str, Contract]) -> list[Balance]:
        """What a customer may draw: its own grants, and those of parents that are shared with its contracts."""
        found = [balance for _, balance in self._kept.get(customer, {}).values()]
        for contract in contracts.values():
            parent = contracts.get(contract.parent or "") if contract.customer == customer else None
            while parent is not None:
                shared = {grant.id for grant in _grants(parent) if _reaches(grant.shared, contract.id)}
                if parent.customer != customer:
                    found += [
                        balance for (name, grant), (_, balance) in self._kept.get(parent.customer, {}).items() if name == parent.id and grant in shared
                    ]
                parent = contracts.get(parent.parent or "")
        return list(dict.fromkeys(found))

    def close(self) -> None:
        self._follower.close()

    def _take(self, message: Any) -> None:
        if message.value() is None:
            return
        found = self._codec.decode("balance", message.value())
        key = (found["contract"], found["id"])
        of_customer = self._kept.setdefault(found["customer"], {})
        if key in of_customer and of_customer[key][0] > found["revision"]:
            return
        if found["deleted"] or found["type"] == "postpaid":
            of_customer.pop(key, None)
        else:
            of_customer[key] = (found["revision"], Balance(found["contract"], found["id"], found["currency"], found["remaining"]))


def _grants(contract: Contract) -> Iterable[Any]:
    return (*contract.commits, *contract.credits, *contract.recurring_commits, *contract.recurring_credits)


def _reaches(shared: str | list[str] | None, contract: str) -> bool:
    return shared == "all" or contract in (shared if isinstance(shared, list) else [shared])
