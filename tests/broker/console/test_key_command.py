"""`taximeter key` and the console agree."""

import json

import httpx
import pytest
from click.testing import CliRunner

from console.services import Services
from pipelines.testing import until
from taximeter.commands.key import command


@pytest.fixture
def environment(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = services.deployment.settings
    for name, value in (("KAFKA", settings.kafka), ("CLICKHOUSE", settings.clickhouse), ("DATA", str(settings.data))):
        monkeypatch.setenv(f"TAXIMETER_{name}", str(value))


@pytest.mark.usefixtures("environment")
def test_a_key_of_the_command_opens_until_the_command_revokes_it(address: str) -> None:
    runner = CliRunner()
    made = json.loads(runner.invoke(command, ["new", "--scope", "read", "--name", "report", "--json"], catch_exceptions=False).stdout)
    headers = {"Authorization": f"Bearer {made['key']}"}

    assert httpx.get(f"{address}/api/v1/documents", headers=headers).status_code == 200
    listed = {each["id"]: each for each in json.loads(runner.invoke(command, ["list", "--json"], catch_exceptions=False).stdout)}
    assert (listed[made["id"]]["name"], listed[made["id"]]["revoked_at"]) == ("report", None)
    assert made["key"].split("_", 2)[2] not in json.dumps(listed)
    assert runner.invoke(command, ["revoke", made["id"]], catch_exceptions=False).exit_code == 0
    until(lambda: httpx.get(f"{address}/api/v1/documents", headers=headers).status_code == 401, "it opens nothing any more")


@pytest.mark.usefixtures("environment")
def test_a_key_that_is_none_cannot_be_revoked() -> None:
    refused = CliRunner().invoke(command, ["revoke", "nope"])

    assert refused.exit_code == 2
    assert "there is no key 'nope'" in refused.output


@pytest.mark.usefixtures("environment")
def test_pages_of_the_description_load_nothing_from_elsewhere(address: str) -> None:
    page = httpx.get(f"{address}/api/docs").text

    assert "https://" not in page
    assert httpx.get(f"{address}/api/docs-static/swagger-ui-bundle.js").status_code == 200
