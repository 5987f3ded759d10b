"""An expression in SQL, in the embedded engine, gives the number that the exact evaluation gives, and NULL where that has none."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.expressions import NUMBER, Call, Node, Number, Property, Text, evaluate, parse
from pipelines.metering.engine import Engine, engine
from pipelines.metering.values import value_of

KEYS = ["a", "b", "c", "it's"]
DIGITS = st.integers(1, 38).flatmap(lambda length: st.integers(0, 10**length - 1))
NUMBERS = st.one_of(
    st.integers(-20, 20).map(Decimal),
    st.decimals(-10, 10, places=2),
    st.builds(lambda whole, part: Decimal(f"{whole}.{part:018d}"), DIGITS, st.integers(0, 10**18 - 1)),
    st.builds(lambda part: Decimal(f"0.{part:018d}"), st.integers(0, 1000)),
)
PROPERTIES = st.dictionaries(
    st.sampled_from(KEYS),
    st.one_of(NUMBERS.map(lambda each: format(each, "f")), st.sampled_from(["", "eu", "x'y\\", "1e3", "+7", "-0", " 1", "nan", ".5", "٣", "1\n"])),
)


def _nodes() -> st.SearchStrategy[Node]:
    leaves: st.SearchStrategy[Node] = st.one_of(NUMBERS.map(Number), st.sampled_from(KEYS).map(Property))

    def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        pair = st.tuples(inner, inner)
        compared = st.builds(Call, st.sampled_from(["equal", "less", "at_most"]), pair)
        named = st.builds(lambda key, texts: Call("is", (Property(key), *map(Text, texts))), st.sampled_from(KEYS), st.lists(st.sampled_from(["eu", "x'y\\", ""]), min_size=1))
        absent = st.sampled_from(KEYS).map(lambda key: Call("absent", (Property(key),)))
        simple = st.one_of(compared, named, absent)
        condition = st.one_of(
            simple, st.builds(Call, st.sampled_from(["and", "or"]), st.tuples(simple, simple)), simple.map(lambda each: Call("not", (each,)))
        )
        return st.one_of(
            st.builds(Call, st.sampled_from(["add", "subtract", "multiply", "divide", "least", "greatest"]), pair),
            st.builds(Call, st.sampled_from(["negate", "abs"]), st.tuples(inner)),
            st.builds(Call, st.sampled_from(["round", "ceil", "floor"]), st.tuples(inner, st.integers(0, 18).map(lambda each: Number(Decimal(each))))),
            st.builds(lambda key, last: Call("coalesce", (Property(key), last)), st.sampled_from(KEYS), inner),
            st.builds(lambda wanted, one, other: Call("if", (wanted, one, other)), condition, inner, inner),
        )

    return st.recursive(leaves, grown, max_leaves=12)


def in_sql(meter: Engine, node: Node, rows: list[dict[str, str]]) -> list[Decimal | None]:
    meter.scratch.write_text("\n".join(json.dumps({"n": n, "properties": each}) for n, each in enumerate(rows)))
    table = f"file('{meter.scratch}', 'JSONEachRow', 'n UInt32, properties Map(String, String)')"
    found = meter.query(f"SELECT toString({value_of(node).sql(dialect='clickhouse')}) FROM {table} ORDER BY n", "JSONCompactEachRow")
    texts = [json.loads(line)[0] for line in found.splitlines()]
    return [None if text is None else Decimal(text) for text in texts]


@settings(max_examples=200, deadline=None)
@given(_nodes(), st.lists(PROPERTIES, min_size=1, max_size=8))
def test_sql_and_evaluation_agree(node: Node, rows: list[dict[str, str]]) -> None:
    # when the same tree is evaluated here and compiled for the engine
    here = [evaluate(node, each) for each in rows]
    there = in_sql(engine(), node, rows)
    # then every event has the same number, or none in both
    assert there == here


@pytest.mark.parametrize(
    ("text", "properties", "wanted"),
    (
        ("input + 4 * output", {"input": "2", "output": "3.5"}, "16"),
        ("least(amount * 0.0125, 11)", {"amount": "100"}, "1.25"),
        ("least(amount * 0.0125, 11)", {"amount": "1000000"}, "11"),
        ("greatest(a * 0.02, 0.3) + 0.05", {"a": "1"}, "0.35"),
        ("a / b", {"a": "2", "b": "3"}, "0.666666666666666666"),
        ("a / b", {"a": "-2", "b": "3"}, "-0.666666666666666666"),
        ("a / b", {"a": "2", "b": "0"}, None),
        ("a * b", {"a": "9" * 38, "b": "9" * 38}, None),
        ("a * b", {"a": "9" * 38}, None),
        ("a + b", {"a": "9" * 38, "b": "1"}, None),
        ("if(region = 'eu', a, b)", {"region": "eu", "a": "1"}, "1"),
        ("if(region = 'eu', a, b)", {"a": "1", "b": "2"}, "2"),
        ("if(region <> 'eu', a, b)", {"a": "1", "b": "2"}, "1"),
        ("case size when 1 then 10 when 2 then 20 else 0 end", {"size": "2.0"}, "20"),
        ("case when a between 1 and 3 and b is not null then a else 0 end", {"a": "3", "b": "x"}, "3"),
        ("coalesce(a, b, 5)", {"b": "2"}, "2"),
        ("coalesce(a, 5)", {"a": "x"}, None),
        ("round(a, 1)", {"a": "-0.25"}, "-0.3"),
        ("ceil(a / 1000)", {"a": "1001"}, "2"),
    ),
)
def test_examples(text: str, properties: dict[str, str], wanted: str | None) -> None:
    node = parse(text)
    expected = None if wanted is None else Decimal(wanted)
    assert evaluate(node, properties) == expected
    assert in_sql(engine(), node, [properties]) == [expected]


def test_the_engine_reads_numbers_as_python_does() -> None:
    # given texts at the edges of what a number is
    texts = ["1", "+1", "-1.5", "1.", ".5", "", " 1", "1 ", "1\n", "\n1", "1e3", "9" * 38, "9" * 39, "0." + "1" * 18, "0." + "1" * 19, "0x1", "inf", "NaN", "١", "1_0", "--1", "1,5"]
    rows = [{"a": each} for each in texts]
    # then both take the same ones
    assert NUMBER.startswith("^")
    assert in_sql(engine(), Property("a"), rows) == [evaluate(Property("a"), each) for each in rows]
