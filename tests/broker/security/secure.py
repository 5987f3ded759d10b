"""Servers that ask who one is: a real broker with TLS listeners beside its plain one, and TLS in front of the warehouse. Certificates live as long as a test."""

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path
from typing import Final, Self

import trustme
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives import serialization

from pipelines.local import kafka, ports
from pipelines.local.child import Child
from pipelines.settings import Settings
from pipelines.testing import until

USER: Final = "taximeter"
PASSWORD: Final = "p@ss word/1"
HOST: Final = "127.0.0.1"


class Papers:
    """An authority, and a certificate of it for this host."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.server, self.certificate, self.key = (folder / name for name in ("ca.pem", "server.pem", "client.pem", "client.key"))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        issued = authority.issue_cert(HOST)
        self.server.write_bytes(_pkcs8(issued) + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        client = authority.issue_cert("client@taximeter.test")
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
        self.key.write_bytes(_pkcs8(client))


class SecureKafka:
    """`scram`: where a user logs in over TLS. `mutual`: where a client shows a certificate."""

    def __init__(self, data: Path, papers: Papers) -> None:
        found: list[int] = []
        while len(found) < 4:
            found.append(ports.free(without=found))
        self._broker = kafka.Broker(data, Settings().cache, found[0], found[1])
        self._papers = papers
        self.scram, self.mutual = f"{HOST}:{found[2]}", f"{HOST}:{found[3]}"
        self._child: Child | None = None

    def __enter__(self) -> Self:
        command = kafka.prepare(self._broker)
        properties = Path(command[-1])
        properties.write_text(self._with_listeners(properties.read_text(encoding="utf-8")), encoding="utf-8")
        self._child = Child("kafka", command, {}, self._broker.log)
        self._child.start()
        try:
            until(lambda: kafka.answers(self._broker.bootstrap, 0.25), "the broker")
            admin = AdminClient({"bootstrap.servers": self._broker.bootstrap})
            user = UserScramCredentialUpsertion(USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), PASSWORD.encode())
            for future in admin.alter_user_scram_credentials([user]).values():
                future.result()
        except BaseException:
            self._child.kill()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._child is not None:
            self._child.stop(20.0)

    def _with_listeners(self, told: str) -> str:
        lines = told.splitlines()
        for at, line in enumerate(lines):
            if line.startswith("listeners="):
                lines[at] = f"{line},SCRAM://{self.scram},MUTUAL://{self.mutual}"
            if line.startswith("listener.security.protocol.map="):
                lines[at] = f"{line},SCRAM:SASL_SSL,MUTUAL:SSL"
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return "\n".join(
            [
                *lines,
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={self._papers.server}",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={self._papers.ca}",
                "listener.name.mutual.ssl.client.auth=required",
                "listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512",
                f"listener.name.scram.scram-sha-512.sasl.jaas.config={module}",
                "",
            ]
        )


class TlsFront:
    """TLS in front of a plain server on loopback; `port` is where."""

    def __init__(self, papers: Papers, target: int) -> None:
        self._target = target
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(papers.server)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls front")
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, HOST, 0, ssl=self._context), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(HOST, self._target)
        try:
            await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer))
        finally:
            writer.close()
            behind_writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while chunk := await source.read(65_536):
            target.write(chunk)
            await target.drain()
    target.close()


def _pkcs8(issued: trustme.LeafCert) -> bytes:
    """Kafka takes no other form of a key."""
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
