"""Kafka over TLS with a password and rights: what docs/cluster.md says is enough, is enough, and is needed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState

# Exported, but not declared so to type checkers.
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType  # type: ignore[attr-defined]

from tests.e2e.parts import Part, clean_environment, wst
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, ROOT, free_port, wait_until

pytestmark = [pytest.mark.kafka]

PASSWORD = "made-up-for-this-test"
JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SECURITY = """
listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config={jaas} user_wst="{password}";
ssl.keystore.location={keystore}
ssl.keystore.password={password}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True, slots=True)
class Secured:
    """A broker that asks for TLS, a password and rights, and the settings that reach it."""

    broker: KafkaBroker
    settings: dict[str, str]


@pytest.fixture
def secured(tmp_path: Path, unique: str) -> Iterator[Secured]:
    """A broker of the test's own with a listener that lets in the user `wst` alone, who may do nothing yet."""
    keystore, authority = tmp_path / "broker.p12", tmp_path / "authority.pem"
    names = ["-alias", "broker", "-keystore", str(keystore), "-storepass", PASSWORD]
    identity = ["-dname", "CN=localhost", "-ext", "SAN=IP:127.0.0.1", "-keyalg", "EC", "-storetype", "PKCS12", "-validity", "2"]
    subprocess.run(["keytool", "-genkeypair", *names, *identity], check=True, capture_output=True)
    subprocess.run(["keytool", "-exportcert", "-rfc", *names, "-file", str(authority)], check=True, capture_output=True)
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")

    broker = KafkaBroker()
    secure = free_port()
    properties = broker.folder / "server.properties"
    controller = re.search(r"CONTROLLER://[0-9.:]+", properties.read_text())
    assert controller is not None
    ports = {"plain": broker.port, "secure": secure, "controller": controller[0]}
    with properties.open("a") as file:
        file.write(SECURITY.format(**ports, jaas=JAAS, password=PASSWORD, keystore=keystore))
    settings = {
        "WST_BROKERS": f"127.0.0.1:{secure}",
        "WST_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "WST_KAFKA_SSL_CAFILE": str(authority),
        "WST_KAFKA_SASL_MECHANISM": "PLAIN",
        "WST_KAFKA_SASL_USERNAME": "wst",
        "WST_KAFKA_SASL_PASSWORD_FILE": str(password),
        "WST_TOPIC_PREFIX": f"{unique}.",
        "WST_PARTITIONS": "1",
        "WST_DATA_DIR": str(tmp_path / "data"),
    }
    with broker:
        yield Secured(broker, settings)


def documented_rights() -> list[tuple[ResourceType, list[AclOperation]]]:
    """The rules of docs/cluster.md, as they stand there."""
    text = (ROOT / "docs" / "cluster.md").read_text().replace("\\\n", " ")
    rules = []
    for line in text.splitlines():
        if line.startswith("kafka-acls.sh"):
            assert "--resource-pattern-type prefixed" in line
            kind = ResourceType.GROUP if "--group" in line else ResourceType.TOPIC
            words = re.findall(r"--operation (\w+)", line)
            rules.append((kind, [AclOperation[re.sub(r"(?<!^)(?=[A-Z])", "_", word).upper()] for word in words]))
    return rules


def grant(secured: Secured, rights: list[tuple[ResourceType, list[AclOperation]]]) -> None:
    """Give the user `wst` rights on everything that begins with the prefix."""
    prefix = secured.settings["WST_TOPIC_PREFIX"]
    bindings = [
        AclBinding(kind, prefix, ResourcePatternType.PREFIXED, "User:wst", "*", operation, AclPermissionType.ALLOW)
        for kind, operations in rights
        for operation in operations
    ]
    admin = secured.broker.admin()
    for done in admin.create_acls(bindings).values():
        done.result(timeout=PATIENCE_S)


def test_the_documented_rights_let_every_part_work_over_tls(secured: Secured) -> None:
    rights = documented_rights()
    assert [kind for kind, _ in rights] == [ResourceType.TOPIC, ResourceType.GROUP]
    grant(secured, rights)
    assert "create" in wst("topics", "apply", settings=secured.settings)
    assert "as they must be" in wst("topics", "plan", settings=secured.settings)
    groups = [secured.settings["WST_TOPIC_PREFIX"] + name for name in ("state", "usage")]
    with ExitStack() as running:
        for app in ("state", "usage"):
            running.enter_context(Part(["worker", app], secured.settings))
        admin = secured.broker.admin()

        def stable() -> bool:
            answers = admin.describe_consumer_groups(groups, request_timeout=10).values()
            # A group that nobody has joined yet has no coordinator either: an exception.
            return all(
                answer.exception() is None and answer.result().state == ConsumerGroupState.STABLE and bool(answer.result().members)
                for answer in answers
            )

        wait_until(stable, "both workers have joined their groups")


def test_without_rights_or_with_a_wrong_password_one_line_says_so(secured: Secured, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not it")
    for settings in (secured.settings, secured.settings | {"WST_KAFKA_SASL_PASSWORD_FILE": str(wrong)}):
        part = subprocess.run(
            [sys.executable, "-m", "schemas.wst", "topics", "apply"],
            env=clean_environment(settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert part.returncode in (1, 3), part.stderr
        last = part.stderr.strip().splitlines()[-1]
        assert last.startswith("wst: "), part.stderr
        assert "fault of wst itself" not in part.stderr
        assert "Traceback" not in part.stderr
        assert PASSWORD not in part.stderr
