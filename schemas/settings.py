"""Every setting: the environment (`WST_…`, secrets also `WST_…_FILE`) over `wst.toml` over defaults."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError
from pydantic_settings.sources import NoDecode

from schemas.alert_rules import AlertRule
from schemas.errors import SettingError

PREFIX: Final = "WST_"
#: Settings that never show their value; each may stand in a file named by `WST_…_FILE`.
SECRETS: Final = ("kafka_sasl_password", "clickhouse_url", "api_token", "api_read_token")

#: Variables that begin like settings and are read elsewhere: tracebacks, the compiled core, what docker-compose.yml itself asks for.
NOT_SETTINGS: Final = frozenset(
    {
        "WST_DEBUG",
        "WST_COMPILED",
        "WST_BASE",
        "WST_IMAGE",
        "WST_KAFKA_IMAGE",
        "WST_CLICKHOUSE_IMAGE",
        "WST_PROXY_IMAGE",
        "WST_PROMETHEUS_IMAGE",
        "WST_GRAFANA_IMAGE",
        "WST_GRAFANA_PORT",
        "WST_GRAFANA_PLUGINS",
        "WST_PORT",
        "WST_DOCKER_SOCKET",
        "WST_FAULT_ROUNDS",
    }
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_DAY_S: Final = 86_400.0
#: ClickHouse counts until when a row is kept in 32 bits, which end in 2106.
_KEPT_S: Final = 18_250 * _DAY_S
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `500ms`, `10s`, `5m`, `2h`, `30d`, or a bare number of seconds.

    Raises:
        ValueError: it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; write it as 500ms, 10s, 5m, 2h or 30d")
    return float(match[1]) * _UNIT_S[match[2] or "s"]


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _words(value: object) -> object:
    return [word for word in re.split(r"[,\s]+", value) if word] if isinstance(value, str) else value


def _off(value: object) -> object:
    return None if isinstance(value, str) and value.lower() == "off" else _duration(value)


def _hosts(words: list[str]) -> list[str]:
    for word in words:
        if "/" in word:
            raise ValueError(f"{word!r} is no name of a host; leave out https:// and what comes behind the name")
    return words


Seconds = Annotated[float, BeforeValidator(_duration)]
Kept = Annotated[float | None, BeforeValidator(_off)]
Words = Annotated[list[str], NoDecode, BeforeValidator(_words)]


def _data_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "wst"


class Settings(BaseSettings):
    """All settings; durations in seconds, percents 0–100."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", env_ignore_empty=True, frozen=True)

    brokers: str = Field("127.0.0.1:9092", description="Kafka's bootstrap servers: host:port, several with commas")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to speak to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("PLAIN", description="SASL mechanism")
    kafka_sasl_username: str | None = Field(None, description="SASL user")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password")
    kafka_ssl_cafile: Path | None = Field(None, description="certificate authorities of the brokers, PEM")
    kafka_ssl_certfile: Path | None = Field(None, description="client certificate, PEM")
    kafka_ssl_keyfile: Path | None = Field(None, description="client key, PEM")
    topic_prefix: str = Field("wst.", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="begins every topic and consumer group")
    partitions: int = Field(4, ge=1, le=10_000, description="partitions of every topic; fixed once topics exist")
    replication_factor: int = Field(1, ge=1, le=9, description="replicas of every topic that `wst topics apply` creates")
    schema_registry_url: str | None = Field(None, description="schema registry; unset: single-object encoding")

    clickhouse_url: SecretStr = Field(
        SecretStr("http://127.0.0.1:8123"), description="http(s)://user:password@host:port, or chdb:///DIRECTORY"
    )
    clickhouse_database: str = Field("wst", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,60}$", description="database of the archive")
    clickhouse_cluster: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{1,60}$", description="cluster for ON CLUSTER statements")

    keep_samples: Kept = Field(30 * _DAY_S, ge=_DAY_S, le=_KEPT_S, description="the archive keeps samples so long; off: for ever")
    keep_hourly: Kept = Field(397 * _DAY_S, ge=_DAY_S, le=_KEPT_S, description="the archive keeps hourly windows so long; off: for ever")
    keep_daily: Kept = Field(None, ge=_DAY_S, le=_KEPT_S, description="the archive keeps daily windows so long; off: for ever")
    keep_events: Kept = Field(None, ge=_DAY_S, le=_KEPT_S, description="the archive keeps facts and events so long; off: for ever")
    keep_dead_letters: Kept = Field(30 * _DAY_S, ge=_DAY_S, le=_KEPT_S, description="the archive keeps dead letters so long; off: for ever")

    data_dir: Path = Field(default_factory=_data_home, description="journals, checkpoints, archive, ids of engines")
    engines: Words = Field(default_factory=list, description="Docker Engines by URL or name=URL; none: the Docker client's active context")
    engine_name: str | None = Field(None, max_length=100, description="name of this host's engine; unset: the host's name")
    engine_id: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[A-Za-z0-9][!-~]*$",
        description="id of the one engine watched; unset: its own, which cloned machines share",
    )
    collect_interval: Seconds = Field(10.0, ge=1, le=3600, description="between two samples of a container")
    sync_interval: Seconds = Field(30.0, ge=1, le=3600, description="between two listings of an engine")
    max_retries: int = Field(3, ge=0, le=20, description="retries of a failing engine call")
    include: Words = Field(default_factory=list, description="globs on name, image or label: only these containers")
    exclude: Words = Field(
        default_factory=lambda: ["label:org.testcontainers=*"], description="globs on name, image or label: not these containers"
    )
    labels_include: Words = Field(default_factory=list, description="globs of further labels that may be stored")
    idle_inactive_after: Annotated[float | None, BeforeValidator(_off)] = Field(
        None, gt=0, description="a workspace that runs without use for so long is marked idle; off: never"
    )
    idle_archive_after: Annotated[float | None, BeforeValidator(_off)] = Field(
        None, gt=0, description="a workspace that does not run is archived after so long without use; off: never"
    )
    ephemeral_ttl: Seconds = Field(86_400.0, ge=0, description="an ephemeral workspace is forgotten so long after its removal")

    cpu_threshold: float = Field(80.0, gt=0, le=100_000, description="CPU alert, percent of the limit, else of the host")
    memory_threshold: float = Field(85.0, gt=0, le=100, description="memory alert, percent of the limit")
    alert_rules: list[AlertRule] = Field(
        default_factory=list, description="further thresholds, and those of single workspaces: [[alert_rules]] of docs/alerts.md"
    )
    metrics_update_every: Annotated[float | None, BeforeValidator(_off)] = Field(
        60.0, ge=0, description="metrics_update events of a workspace at most so often; 0: each sample; off: none"
    )

    activity_every: Annotated[float | None, BeforeValidator(_off)] = Field(
        300.0, ge=10, description="use of CPU or network above the floors is recorded at most so often, as a sign of activity; off: never"
    )
    activity_cpu: float = Field(5.0, gt=0, le=100_000, description="floor of CPU that is activity, percent of one CPU")
    activity_network: int = Field(1_024, gt=0, description="floor of network that is activity, bytes a second")
    handlers: list[dict[str, Any]] = Field(
        default_factory=list, description="tables [[handlers]]: who is told what happens; docs/handlers.md"
    )

    api: str = Field("http://127.0.0.1:8321", description="API that reading commands talk to")
    api_host: str = Field("127.0.0.1", description="address the API listens on; elsewhere than loopback only with a token")
    api_port: int = Field(8321, ge=0, le=65_535, description="port the API listens on; 0: any")
    api_hosts: Annotated[Words, AfterValidator(_hosts)] = Field(
        default_factory=list, description="further names the API is reached under, as through a proxy: wst.example.org, h:8443"
    )
    api_token: SecretStr | None = Field(None, description="token that may do everything")
    api_read_token: SecretStr | None = Field(None, description="token that may read")
    metrics_host: str = Field("127.0.0.1", description="address a part shows its figures on; elsewhere than loopback only with a token")
    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="port on which producer, worker, sink and handlers show Prometheus their figures; unset: none"
    )
    metrics_workspaces: int = Field(500, ge=0, le=100_000, description="/metrics shows so many workspaces one by one, the others together")
    metrics_containers: int = Field(2_000, ge=0, le=400_000, description="/metrics shows so many containers of them")
    log_format: Literal["text", "json"] = Field("text", description="format of the log")
    journal: Path | None = Field(None, description="set by `wst up` for its parts: the shared journal that is the log")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then what `load_settings` read from files."""
        return env_settings, init_settings


def toml_path() -> Path | None:
    """The settings file in force: `./wst.toml`, else `~/.config/wst/wst.toml`, else none."""
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return next((path for path in (Path("wst.toml"), config_home / "wst" / "wst.toml") if path.is_file()), None)


def load_settings() -> Settings:
    """Reads all settings.

    Raises:
        SettingError: one of them makes no sense; the message names it and where it stands.
    """
    path = toml_path()
    from_file = _read_toml(path) if path else {}
    try:
        return Settings(**(from_file | _secret_files()))
    except SettingsError as error:  # a variable that should be JSON
        raise SettingError(str(error), "lists of tables are easier to write in wst.toml") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        where = PREFIX + name.upper()
        if where not in os.environ and name in from_file:
            where = f"{name} in {path}"
        shown = "" if name in SECRETS else f" = {str(first['input'])[:80]!r}"
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            raise SettingError(f"{where} is no setting of wst", "`wst config` lists them all") from None
        inner = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"][1:])
        where = f"{where}: {inner}" if inner else where
        raise SettingError(f"{where}{shown} makes no sense", first["msg"].removeprefix("Value error, ")) from None


def unknown_variables() -> list[str]:
    """`WST_…` variables of the environment that are no setting: misspelt, most likely."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known | NOT_SETTINGS)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"{path} cannot be read", str(error)) from error


def _secret_files() -> dict[str, str]:
    """Secrets named by `WST_…_FILE`, without the line's end."""
    found: dict[str, str] = {}
    for name in SECRETS:
        variable = f"{PREFIX}{name.upper()}_FILE"
        path = os.environ.get(variable)
        if path and not os.environ.get(f"{PREFIX}{name.upper()}"):
            try:
                found[name] = Path(path).read_text("utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise SettingError(f"{variable} = {path!r} cannot be read", str(error)) from error
    return found
