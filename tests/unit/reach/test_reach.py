"""One place says how Kafka is spoken to, and all three clients are told the same."""

import re
from pathlib import Path

import pytest
import trustme
from faust.types.auth import AuthProtocol

from pipelines.reach import SecurityError, credentials, reach, reach_async
from pipelines.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def test_in_the_clear_nothing_is_said_but_the_address() -> None:
    settings = Settings()

    assert reach("k:9092", settings) == {"bootstrap.servers": "k:9092"}
    assert reach_async("k:9092", settings) == {"bootstrap_servers": "k:9092"}
    assert credentials(settings) is None


def test_a_user_over_tls_is_told_to_each_client(ca: Path) -> None:
    settings = Settings(kafka_security="sasl_ssl", kafka_user="meter", kafka_password="p", kafka_ca=ca)

    said = reach("k:9092", settings)
    said_async = reach_async("k:9092", settings)
    faust = credentials(settings)

    assert said == {
        "bootstrap.servers": "k:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "meter",
        "sasl.password": "p",
        "ssl.ca.location": str(ca),
    }
    assert {name: said_async[name] for name in ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password")} == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "meter",
        "sasl_plain_password": "p",
    }
    assert said_async["ssl_context"].check_hostname
    assert (faust.protocol, faust.mechanism.value, faust.username, faust.password) == (AuthProtocol.SASL_SSL, "SCRAM-SHA-512", "meter", "p")


def test_without_tls_faust_logs_in_in_the_clear() -> None:
    found = credentials(Settings(kafka_security="sasl_plaintext", kafka_mechanism="PLAIN", kafka_user="meter", kafka_password="p"))

    assert (found.protocol, found.ssl_context) == (AuthProtocol.SASL_PLAINTEXT, None)


def test_settings_come_from_the_environment_when_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXIMETER_KAFKA_SECURITY", "ssl")

    assert reach("k:9092")["security.protocol"] == "ssl"


def test_what_contradicts_itself_is_refused_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="TAXIMETER_KAFKA_USER and TAXIMETER_KAFKA_PASSWORD"):
        reach("k:9092", Settings(kafka_security="sasl_ssl"))
    with pytest.raises(SecurityError, match="TAXIMETER_KAFKA_KEY"):
        reach("k:9092", Settings(kafka_security="ssl", kafka_certificate=tmp_path / "c.pem"))


def test_no_client_of_the_product_is_made_without_it() -> None:
    """A client that is told the address alone would not find a Kafka that asks who it is."""
    told = re.compile(r"[\"']bootstrap\.servers[\"']|bootstrap_servers\s*=")
    modules = [path for package in ("console", "pipelines", "taximeter") for path in (ROOT / package).rglob("*.py")]

    found = [str(path.relative_to(ROOT)) for path in modules if told.search(path.read_text(encoding="utf-8")) and path.name != "reach.py"]

    assert modules
    assert found == []
