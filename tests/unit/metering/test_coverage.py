"""Which stretches are metered for which product: whatever comes and goes in whatever portions, each offset once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.metering.coverage import Coverage, Covered, Span, Work, filled, follow, from_wire, missing, to_wire, work
from schemas.codec import Codec

PRODUCTS = ("a", "b", "c")


def test_what_is_there_from_the_first_event_on_lacks_nothing() -> None:
    assert follow(None, 1, {"a"}, 0) == Coverage(1, {"a": Covered()})


def test_a_product_that_appears_lacks_what_was_before() -> None:
    begun = follow(None, 1, {"a"}, 0)

    later = follow(begun, 2, {"a", "b"}, 70)

    assert later == Coverage(2, {"a": Covered(), "b": Covered((Span(0, 70),))})
    assert work({"default": later}) == Work(Span(0, 70), frozenset({("default", "b")}))


def test_a_product_that_comes_back_lacks_what_was_meanwhile() -> None:
    gone = follow(follow(None, 1, {"a"}, 0), 2, set(), 50)
    assert gone.products["a"] == Covered(left_at=50)
    assert follow(gone, 3, {"a"}, 80).products["a"] == Covered((Span(50, 80),))
    assert follow(gone, 3, {"a"}, 50).products["a"] == Covered()


def test_a_gap_waits_while_its_product_is_away() -> None:
    gone = follow(follow(None, 1, {"a"}, 50), 2, set(), 60)
    assert work({"default": gone}) is None
    assert missing({"default": gone}) == 0
    assert follow(gone, 3, {"a"}, 90).products["a"] == Covered((Span(0, 50), Span(60, 90)))


def test_products_that_lack_the_same_are_filled_together() -> None:
    known = {"one": follow(None, 1, {"a", "b"}, 50), "two": follow(None, 1, {"a"}, 70)}
    together = work(known)
    assert together == Work(Span(0, 50), frozenset({("one", "a"), ("one", "b"), ("two", "a")}))
    half = Work(Span(0, 30), together.wanted)
    known |= filled(known, half)
    assert missing(known) == 40
    assert work(known) == Work(Span(30, 50), together.wanted)


class World:
    """One partition with two catalogues: what is metered for which product, offset by offset."""

    def __init__(self) -> None:
        self.known: dict[str, Coverage] = {}
        self.current: dict[str, set[str]] = {"one": set(), "two": set()}
        self.metered: dict[tuple[str, str], list[int]] = {(name, product): [] for name in self.current for product in PRODUCTS}
        self.position = self.version = 0

    def documents(self, name: str, products: set[str]) -> None:
        self.version += 1
        self.current[name] = products
        self.known[name] = follow(self.known.get(name), self.version, products, self.position)

    def events(self, count: int) -> None:
        for name, products in self.current.items():
            for product in products:
                self.metered[name, product] += range(self.position, self.position + count)
        self.position += count

    def fill(self, most: int) -> bool:
        """Whether there was something to fill."""
        found = work(self.known)
        if found is None:
            return False
        end = min(found.span.end, found.span.start + most)
        for key in found.wanted:
            self.metered[key] += range(found.span.start, end)
        self.known |= filled(self.known, Work(Span(found.span.start, end), found.wanted))
        return True

    def read_again(self) -> None:
        codec = Codec()
        self.known = {name: from_wire(codec.decode("backfill", codec.encode("backfill", to_wire(name, each)))) for name, each in self.known.items()}


@settings(deadline=None)
@given(st.data())
def test_every_offset_is_metered_once_for_each_product_that_stays(data: st.DataObject) -> None:
    """Given products of two catalogues that come and go while offsets pass and portions are filled, then in the end each product has each offset once."""
    world = World()
    for _ in range(data.draw(st.integers(1, 30))):
        step = data.draw(st.sampled_from(["documents", "events", "fill", "read again"]))
        if step == "documents":
            world.documents(data.draw(st.sampled_from(["one", "two"])), data.draw(st.sets(st.sampled_from(PRODUCTS))))
        elif step == "events":
            world.events(data.draw(st.integers(1, 9)))
        elif step == "fill":
            world.fill(data.draw(st.integers(1, 5)))
        else:
            world.read_again()
    assert bool(missing(world.known)) == world.fill(3)
    while world.fill(3):
        pass
    assert missing(world.known) == 0
    for (name, product), offsets in world.metered.items():
        assert len(set(offsets)) == len(offsets)
        if product in world.current[name]:
            assert sorted(offsets) == list(range(world.position))
