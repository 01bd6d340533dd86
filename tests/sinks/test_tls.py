"""ClickHouse over TLS with a user and a password, as docs/cluster.md has it; its authority is the test's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from schemas import topics
from schemas.errors import SettingError, Unreachable
from streams import migrate
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.sinks.clickhouse import Address, ClickHouseSink, connect
from tests.e2e.parts import wst
from tests.platform.authority import made_up
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.sinks import records
from tests.sinks.records import arrive, position, rows_of

pytestmark = pytest.mark.clickhouse_http

PASSWORD = "made-up:for/this@test"
QUOTED = "made-up%3Afor%2Fthis%40test"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(scope="module")
def server(certificates: Path) -> Iterator[ClickHouseHttpServer]:
    with ClickHouseHttpServer(PASSWORD, certificates) as running:
        yield running


def url(server: ClickHouseHttpServer, options: Mapping[str, object], password: str = QUOTED) -> str:
    asked = "&".join(f"{name}={value}" for name, value in options.items())
    return f"https://wst:{password}@{server.host}:{server.port}/?{asked}"


async def test_what_is_written_over_tls_is_read_over_tls(server: ClickHouseHttpServer, certificates: Path, unique: str) -> None:
    address = Address(url(server, {"ca_cert": certificates / "ca.pem"}), unique)
    client = connect(address)
    migrate.apply(address, client)
    sink, archive = ClickHouseSink(address), ClickHouseArchive(address)
    await sink.write(rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, records.event(), position(1))))
    assert client.query(f"SELECT count() FROM `{unique}`.workspace_changes").result_rows == [(1,)]
    assert await archive.ask("ping", {}) != []
    await sink.close()
    await archive.close()
    client.close()


def test_a_server_of_an_unknown_authority_is_not_spoken_to(server: ClickHouseHttpServer, unique: str) -> None:
    with pytest.raises(Unreachable, match=r"certificate that is not trusted.*ca_cert=FILE") as refused:
        connect(Address(url(server, {}), unique))
    assert "made-up" not in str(refused.value)


def test_a_server_without_tls_is_said_to_speak_none(clickhouse_http: ClickHouseHttpServer, unique: str) -> None:
    with pytest.raises(Unreachable, match=r"speaks no TLS.*write http://"):
        connect(Address(clickhouse_http.url.replace("http://", "https://"), unique))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ca_cert": "/nowhere/ca.pem"}, "no file /nowhere/ca.pem for ca_cert"),
        ({"nonsense": 1}, "option that the client does not know.*nonsense"),
    ],
)
def test_a_wrong_option_is_a_wrong_setting_and_no_server_that_is_waited_for(
    server: ClickHouseHttpServer, unique: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingError, match=said) as refused:
        connect(Address(url(server, options), unique))
    assert "made-up" not in str(refused.value)


def test_a_wrong_password_is_one_line_without_it(server: ClickHouseHttpServer, certificates: Path, unique: str) -> None:
    with pytest.raises(Unreachable, match="refuses the user or password") as refused:
        connect(Address(url(server, {"ca_cert": certificates / "ca.pem"}, "wrong-one"), unique))
    assert "wrong-one" not in str(refused.value)


def test_the_command_line_takes_the_url_from_a_file(server: ClickHouseHttpServer, certificates: Path, unique: str, tmp_path: Path) -> None:
    file = tmp_path / "clickhouse_url"
    file.write_text(url(server, {"ca_cert": certificates / "ca.pem"}) + "\n")
    settings = {"WST_CLICKHOUSE_URL_FILE": str(file), "WST_CLICKHOUSE_DATABASE": unique, "WST_DATA_DIR": str(tmp_path)}
    assert "applied" in wst("migrate", settings=settings)
    assert QUOTED not in wst("config", settings=settings)
