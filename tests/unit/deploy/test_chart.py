"""The Helm chart: what Kubernetes would get is whole, and says nothing that the program does not know."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from pipelines.settings import Settings
from taximeter.commands.stage import MODULES, NUMBERED
from tests.unit.deploy import chart

KNOWN = {f"TAXIMETER_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture(params=chart.VALUES)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return chart.kept(request.param)[1]


def of(objects: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in objects if each["kind"] in kinds}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    nightly = {name: each["spec"]["jobTemplate"]["spec"]["template"] for name, each in of(objects, "CronJob").items()}
    return {name: each["spec"]["template"] for name, each in of(objects, "StatefulSet", "Deployment", "Job").items()} | nightly


@pytest.mark.parametrize("values", chart.VALUES)
def test_the_kept_rendering_is_of_this_chart(values: str) -> None:
    again = "the chart has changed: render it again with `HELM=… python -m tests.unit.deploy.chart`"

    assert chart.kept(values)[0] == chart.fingerprint(values), again
    program = chart.helm()
    if program is not None:  # where Helm is, it is asked too; the kept rendering is looked at everywhere
        assert chart.rendered(program, values) == chart.path_of(values).read_text(encoding="utf-8"), again


@pytest.mark.parametrize("values", ["values", *chart.VALUES])
def test_values_fit_their_schema(values: str) -> None:
    schema = json.loads((chart.CHART / "values.schema.json").read_text(encoding="utf-8"))
    where = chart.CHART / "values.yaml" if values == "values" else chart.HERE / f"{values}.yaml"
    Draft7Validator.check_schema(schema)

    assert [
        error.message for error in Draft7Validator(schema).iter_errors({"kafka": {}, "clickhouse": {}, **yaml.safe_load(where.read_text(encoding="utf-8"))})
    ] == []
    assert list(Draft7Validator(schema).iter_errors({"kafka": {"bootstrp": "k:1"}, "clickhouse": {}})) != []


def test_each_stage_is_started_once_and_state_is_kept(objects: list[dict[str, Any]]) -> None:
    found = {
        kind: {each["spec"]["template"]["spec"]["containers"][0]["args"][1] for each in of(objects, kind).values()} for kind in ("StatefulSet", "Deployment")
    }

    assert found == {"StatefulSet": set(NUMBERED), "Deployment": set(MODULES) - set(NUMBERED)}
    for each in of(objects, "StatefulSet").values():
        assert [claim["metadata"]["name"] for claim in each["spec"]["volumeClaimTemplates"]] == ["data"]
        assert each["spec"]["serviceName"] in of(objects, "Service")


def test_every_environment_variable_is_a_setting(objects: list[dict[str, Any]]) -> None:
    names = {
        entry["name"]
        for pod in pods(objects).values()
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
        for entry in container["env"]
    }

    assert names - KNOWN == {"HOME", "TAXIMETER_POD_INDEX"}, "the index is for the argument --number alone"
    assert {"TAXIMETER_KAFKA", "TAXIMETER_CLICKHOUSE", "TAXIMETER_CONSOLE_SECRET", "TAXIMETER_WORKERS"} <= names


def test_probes_ask_healthz_and_nobody_is_root(objects: list[dict[str, Any]]) -> None:
    for name, pod in pods(objects).items():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert set(container["resources"]) == {"requests", "limits"}, name
            if container["args"][0] == "stage":
                ports = {port["name"] for port in container["ports"]}
                probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
                assert all(probe == {"path": "/healthz", "port": "metrics"} for probe in probes)
                assert "metrics" in ports
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | ({"data"} if container["args"][-1] == "$(TAXIMETER_POD_INDEX)" else set())
            assert mounted <= volumes


def test_selectors_find_their_pods(objects: list[dict[str, Any]]) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(objects).values()]
    kinds = ("Service", "PodDisruptionBudget", "StatefulSet", "Deployment", "PodMonitor")
    selectors = [each["spec"]["selector"].get("matchLabels", each["spec"]["selector"]) for each in objects if each["kind"] in kinds]

    assert len(selectors) >= 10
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector


def test_secrets_are_named_where_they_are_used(objects: list[dict[str, Any]]) -> None:
    made = {name: set(each["stringData"]) for name, each in of(objects, "Secret").items()} or {
        "taximeter-passwords": {"kafka-password", "clickhouse-password", "console-secret"}
    }
    asked = [
        entry["valueFrom"]["secretKeyRef"]
        for pod in pods(objects).values()
        for entry in pod["spec"]["containers"][0]["env"]
        if "secretKeyRef" in entry.get("valueFrom", {})
    ]

    assert asked
    assert all(each["key"] in made[each["name"]] for each in asked)


def test_bills_are_verified_every_night(objects: list[dict[str, Any]]) -> None:
    (job,) = of(objects, "CronJob").values()
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]

    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0, "a difference does not go away by trying again"
    assert container["args"] == ["verify", "--all", "--json"]


def test_scaling_goes_by_the_groups_that_the_stages_read_with() -> None:
    from pipelines import topology

    _, objects = chart.kept("everything")
    found = {each["spec"]["triggers"][0]["metadata"]["consumerGroup"]: each["spec"] for each in of(objects, "ScaledObject").values()}

    assert set(found) == {topology.METER_GROUP, topology.RATE_GROUP, topology.SINK_GROUP}
    for spec in found.values():
        target = of(objects, spec["scaleTargetRef"]["kind"])[spec["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"], "else an upgrade would undo the scaling"
        assert spec["triggers"][0]["metadata"]["topic"] in {topic.name for topic in topology.TOPICS}
        assert spec["triggers"][0]["metadata"]["sasl"] == "scram_sha512"
        assert spec["triggers"][0]["authenticationRef"]["name"] in of(objects, "TriggerAuthentication")
    workers = {
        entry["value"]
        for each in of(objects, "StatefulSet").values()
        for entry in each["spec"]["template"]["spec"]["containers"][0]["env"]
        if entry["name"] == "TAXIMETER_WORKERS"
    }
    assert workers == {"6"}, "numbers go up to the most that there may be"
