"""The text of an expression: what is allowed becomes a tree, everything else is refused with what is allowed."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.expressions import Call, Node, Number, Property, Text, evaluate, parse, properties

A, B = Property("a"), Property("b")
ONE, TWO = Number(Decimal(1)), Number(Decimal(2))
EU = Call("is", (Property("region"), Text("eu")))


@pytest.mark.parametrize(
    ("text", "tree"),
    (
        ("a", A),
        ("2", TWO),
        (".5", Number(Decimal("0.5"))),
        ("-2", Number(Decimal(-2))),
        ("- a", Call("negate", (A,))),
        ("+a", A),
        ("a + 2 * b", Call("add", (A, Call("multiply", (TWO, B))))),
        ("(a + 2) * b", Call("multiply", (Call("add", (A, TWO)), B))),
        ("a - b - 2", Call("subtract", (Call("subtract", (A, B)), TWO))),
        ("a / b / 2", Call("divide", (Call("divide", (A, B)), TWO))),
        ("LEAST(a, b, 2)", Call("least", (A, B, TWO))),
        ("greatest(a, b)", Call("greatest", (A, B))),
        ("abs(a)", Call("abs", (A,))),
        ("ceil(a)", Call("ceil", (A, Number(Decimal(0))))),
        ("ceiling(a)", Call("ceil", (A, Number(Decimal(0))))),
        ("floor(a)", Call("floor", (A, Number(Decimal(0))))),
        ("round(a, 2)", Call("round", (A, TWO))),
        ("coalesce(a, b, 2)", Call("coalesce", (A, B, TWO))),
        ("ifnull(a, 2)", Call("coalesce", (A, TWO))),
        ("if(region = 'eu', a, b)", Call("if", (EU, A, B))),
        ("if('eu' = region, a, b)", Call("if", (EU, A, B))),
        ("if(region in ('eu', 'us'), a, b)", Call("if", (Call("is", (Property("region"), Text("eu"), Text("us"))), A, B))),
        ("if(region <> 'eu', a, b)", Call("if", (Call("not", (EU,)), A, B))),
        ("if(region != 'eu', a, b)", Call("if", (Call("not", (EU,)), A, B))),
        ("if(a > 2, a, b)", Call("if", (Call("less", (TWO, A)), A, B))),
        ("if(a >= 2, a, b)", Call("if", (Call("at_most", (TWO, A)), A, B))),
        ("if(a is null, 1, 2)", Call("if", (Call("absent", (A,)), ONE, TWO))),
        ("if(a in (1, 2), a, b)", Call("if", (Call("or", (Call("equal", (A, ONE)), Call("equal", (A, TWO)))), A, B))),
        ("case region when 'eu' then a else b end", Call("if", (EU, A, B))),
        ("case when a < 1 then 1 when a < 2 then 2 else b end", Call("if", (Call("less", (A, ONE)), ONE, Call("if", (Call("less", (A, TWO)), TWO, B))))),
        ('"my-tokens" + `in put`', Call("add", (Property("my-tokens"), Property("in put")))),
        ("usage.tokens * 2", Call("multiply", (Property("usage.tokens"), TWO))),
        ("if(kind = 'it''s -- #1; /* x */', a, b)", Call("if", (Call("is", (Property("kind"), Text("it's -- #1; /* x */"))), A, B))),
    ),
)
def test_what_is_allowed(text: str, tree: Node) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "wrong", "remedy"),
    (
        ("", "is no expression", "allowed are"),
        ("a b", "is no expression", "allowed are"),
        ("a +", "is no expression", "allowed are"),
        ("select 1", "is no expression", "allowed are"),
        ("(select a from b)", "has no place", "allowed are"),
        ("a; drop table b", "; has no place", ""),
        ("a --b", "-- has no place", "write a - (-b)"),
        ("a /* b */", "/* has no place", ""),
        ("a # b", "# has no place", ""),
        ("file('/etc/passwd')", "no function 'file'", "allowed are"),
        ("url('http://x')", "no function 'url'", "allowed are"),
        ("sleep(3)", "no function 'sleep'", "allowed are"),
        ("max(a, b)", "no function 'max'", "did you mean greatest?"),
        ("min(a, b)", "no function 'min'", "did you mean least?"),
        ("sum(a)", "no function 'sum'", "aggregation: sum"),
        ("flor(a)", "no function 'flor'", "did you mean floor?"),
        ("a::int", "no function 'cast'", "allowed are"),
        ("a % 2", "has no place", "allowed are"),
        ("a || b", "has no place", "allowed are"),
        ("a[1]", "has no place", "allowed are"),
        ("(a, b)", "has no place", "allowed are"),
        ("{a:Int64}", "has no place", "allowed are"),
        ("*", "has no place", "allowed are"),
        ("true", "has no place", "allowed are"),
        ("null", "has no place", "allowed are"),
        ("least(a, b) over ()", "has no place", "allowed are"),
        ("current_date", "no function 'current_date'", "allowed are"),
        ("a > 2", "has no place", "allowed are"),
        ("'eu'", "where a number is needed", "no quotes"),
        ("a + 'eu'", "where a number is needed", "no quotes"),
        ("1e3 * a", "1e3 must be a plain decimal", "38 digits"),
        ("1" * 39, "must be a plain decimal", "38 digits"),
        ("0." + "1" * 19, "must be a plain decimal", "18 behind"),
        ("round(a, b)", "number of places from 0 to 18", "written out"),
        ("round(a, 19)", "number of places from 0 to 18", "written out"),
        ("if(a, 1, 2)", "is no condition", "allowed are"),
        ("if(a > 1, 2)", "two values", "if(region = 'eu', a, b)"),
        ("case when a > 1 then 2 end", "needs an else", "else b end"),
        ("if(region > 'eu', a, b)", "texts are compared with", "=, <> and in only"),
        ("if(a + 1 = 'eu', a, b)", "must be the name of a property", ""),
        ("if(a in (select 1), a, b)", "is no condition", "allowed are"),
        ("coalesce(a + 1, b)", "must be the name of a property", ""),
        ("a+" * 1500 + "a", "characters", "2,000 are allowed"),
        ("+".join(["ab"] * 400), "too many parts", "100 are allowed"),
        ("(" * 900 + "a" + ")" * 900, "nested too deeply", ""),
    ),
)
def test_everything_else_is_refused(text: str, wrong: str, remedy: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert wrong in str(refused.value)
    assert remedy in str(refused.value)


@given(st.text(max_size=30))
def test_any_text_is_a_tree_or_a_refusal(text: str) -> None:
    # when anything at all is read, then nothing but a refusal comes out of it, or a tree that has a value or none
    with suppress(ValueError):
        assert evaluate(parse(text), {}) is None or properties(parse(text)) is not None


def test_the_properties_of_an_expression() -> None:
    assert properties(parse("if(region = 'eu', input, 4 * output) + 1")) == {"region", "input", "output"}


def test_reading_twice_gives_the_same_tree_without_reading() -> None:
    assert parse("a + 12345") is parse("a + 12345")
