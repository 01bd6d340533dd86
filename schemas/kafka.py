"""How every part speaks to Kafka: the settings as arguments of aiokafka's clients."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.helpers import create_ssl_context

from schemas import registry
from schemas.errors import SettingError, Unreachable
from schemas.settings import Settings


def client_arguments(settings: Settings) -> dict[str, Any]:
    """Bootstrap servers and security; learns the ids of a schema registry first, where one is set.

    Raises:
        SettingError: a certificate cannot be read, or the registry refuses us.
        Unreachable: the registry does not answer.
    """
    if settings.journal is None:
        registry.use(settings.schema_registry_url, settings.topic_prefix)
    arguments: dict[str, Any] = {"bootstrap_servers": settings.brokers, "security_protocol": settings.kafka_security_protocol}
    if "SSL" in settings.kafka_security_protocol.split("_"):
        files = (settings.kafka_ssl_cafile, settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
        cafile, certfile, keyfile = (str(file) if file else None for file in files)
        try:
            arguments["ssl_context"] = create_ssl_context(cafile=cafile, certfile=certfile, keyfile=keyfile)
        except (OSError, ValueError) as error:
            raise SettingError("the certificates in WST_KAFKA_SSL_… cannot be read", str(error)) from error
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return arguments


def broker_away(settings: Settings, error: Exception) -> Unreachable:
    """What people are told of a broker that cannot be asked."""
    if isinstance(error, KafkaConnectionError):
        why = ""  # that nobody answers says it all
    else:
        why = f" ({str(error) or type(error).__name__})" if isinstance(error, KafkaError) else f" ({type(error).__name__}: {error})"
    return Unreachable(f"no Kafka broker answers at {settings.brokers}{why}", "start it, or set WST_BROKERS")


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Stops a consumer, also while its broker is away."""
    # aiokafka lets the cancellation of its own fetches through when they wait for the broker: it would look like ours,
    # and hide why the consumer is stopped.
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait([stopping])
    if not stopping.cancelled():
        stopping.result()
