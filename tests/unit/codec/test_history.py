"""Every version of every record type that was ever published stays readable."""

import json

import pytest

from schemas.codec import FOLDER, Codec, current, parse, versions
from tests.unit.codec.samples import NAMES, Sample, corpus, plain

SAMPLES = corpus()
MEND = (
    "copy the earlier version to schemas/avro/history/NAME-N.avsc before you change avro/NAME.avsc, give new fields a default, "
    "and run `python -m tests.unit.codec.samples`"
)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: f"{each.schema}-{each.fingerprint[:8]}")
def test_what_was_once_written_is_read_as_the_present_version(sample: Sample) -> None:
    found = plain(Codec().decode(sample.schema, sample.data))

    present = {field["name"]: field for field in json.loads(current(sample.schema).text)["fields"]}
    assert set(found) == set(present), MEND
    for name, value in found.items():
        assert value == sample.value.get(name, present[name].get("default")), f"{name}: {MEND}"


@pytest.mark.parametrize("name", NAMES)
def test_every_version_has_samples(name: str) -> None:
    sampled = {sample.fingerprint for sample in SAMPLES if sample.schema == name}
    assert {each.hex() for each in versions(name)} == sampled, MEND


@pytest.mark.parametrize("name", NAMES)
def test_the_present_bytes_are_those_of_the_samples(name: str) -> None:
    sample = next(each for each in SAMPLES if each.schema == name and each.fingerprint == current(name).fingerprint.hex())
    assert sample.data[:10].hex() == f"c301{sample.fingerprint}"


def test_history_is_of_types_that_exist_and_numbered_from_one() -> None:
    found: dict[str, list[int]] = {}
    for path in (FOLDER / "history").glob("*.avsc"):
        name, _, number = path.stem.rpartition("-")
        assert parse(name, path.read_text()).fingerprint != current(name).fingerprint
        found.setdefault(name, []).append(int(number))
    assert set(found) <= set(NAMES)
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in found.values())
