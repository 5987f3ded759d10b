"""Confluent's wire format, with a registry that speaks HTTP."""

import json
from collections.abc import Iterator

import pytest

from schemas.codec import Codec, CodecError, current
from schemas.registry import RegistryError
from tests.unit.codec.registry_server import RegistryServer
from tests.unit.codec.samples import NAMES, VALUES


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_values_carry_the_id_that_the_registry_gave(registry: RegistryServer, name: str) -> None:
    codec = Codec.at(registry.url)

    data = codec.encode(name, VALUES[name])

    assert data[0] == 0
    assert registry.schemas[int.from_bytes(data[1:5], "big") - 1] == current(name).text
    assert VALUES[name].items() <= Codec.at(registry.url).decode(name, data).items()


def test_a_type_is_registered_under_its_full_name_once(registry: RegistryServer) -> None:
    codec = Codec.at(registry.url)

    for _ in range(3):
        codec.encode("usage_event", VALUES["usage_event"])

    assert registry.subjects == {"taximeter.UsageEvent": [1]}
    assert registry.requests == ["POST /subjects/taximeter.UsageEvent/versions"]


def test_an_id_is_asked_for_once(registry: RegistryServer) -> None:
    data = Codec.at(registry.url).encode("usage_event", VALUES["usage_event"])
    reader = Codec.at(registry.url)
    registry.requests.clear()

    for _ in range(3):
        reader.decode("usage_event", data)

    assert registry.requests == ["GET /schemas/ids/1"]


def test_a_later_writer_is_read_by_its_own_schema(registry: RegistryServer) -> None:
    import io

    import fastavro

    later = json.loads(current("usage_event").text)
    later["fields"].insert(1, {"name": "source", "type": "string", "default": ""})
    number = registry.add("taximeter.UsageEvent", json.dumps(later))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(later), {**VALUES["usage_event"], "source": "gateway"})

    event = Codec.at(registry.url).decode("usage_event", b"\x00" + number.to_bytes(4, "big") + out.getvalue())

    assert event == VALUES["usage_event"]


def test_both_formats_are_read_whichever_is_written(registry: RegistryServer) -> None:
    plain, registered = Codec(), Codec.at(registry.url)

    assert registered.decode("usage_event", plain.encode("usage_event", VALUES["usage_event"])) == VALUES["usage_event"]


def test_an_id_that_the_registry_does_not_know_is_an_unknown_schema_and_is_not_asked_for_again(registry: RegistryServer) -> None:
    codec = Codec.at(registry.url)

    for _ in range(3):
        with pytest.raises(CodecError) as caught:
            codec.decode("usage_event", b"\x00\x00\x00\x00\x63abc")
        assert caught.value.reason == "unknown_schema"

    assert registry.requests == ["GET /schemas/ids/99"]


def test_an_id_of_another_type_is_an_unknown_schema(registry: RegistryServer) -> None:
    data = Codec.at(registry.url).encode("clock_tick", VALUES["clock_tick"])

    with pytest.raises(CodecError, match=r"ClockTick, not taximeter\.UsageEvent"):
        Codec.at(registry.url).decode("usage_event", data)


def test_a_registry_that_is_down_is_no_verdict_about_the_message(registry: RegistryServer) -> None:
    data = Codec.at(registry.url).encode("usage_event", VALUES["usage_event"])
    reader = Codec.at(registry.url)
    registry.down = True

    with pytest.raises(RegistryError) as caught:
        reader.decode("usage_event", data)

    assert caught.value.transient
    registry.down = False
    assert reader.decode("usage_event", data) == VALUES["usage_event"]


def test_nobody_at_the_address_is_transient_and_says_what_to_look_at() -> None:
    with RegistryServer() as gone:
        url = gone.url

    with pytest.raises(RegistryError, match="TAXIMETER_SCHEMA_REGISTRY") as caught:
        Codec.at(url).encode("usage_event", VALUES["usage_event"])

    assert caught.value.transient


def test_user_and_password_of_the_address_are_shown_to_the_registry_and_to_nobody_else() -> None:
    with RegistryServer() as server:
        server.user = "codec:p w"
        codec = Codec.at(server.url.replace("//", "//codec:p%20w@"))

        assert codec.encode("usage_event", VALUES["usage_event"])[0] == 0

        with pytest.raises(RegistryError) as refused:
            Codec.at(server.url.replace("//", "//codec:wrong@")).encode("usage_event", VALUES["usage_event"])
    assert "401" in str(refused.value)
    assert "wrong" not in str(refused.value)
