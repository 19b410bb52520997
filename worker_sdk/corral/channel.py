"""gRPC channels to hubs: options, credentials and call metadata, in one place.

Makes channels and owns none: whoever asks closes what it got.
"""

from __future__ import annotations

import logging
import os

import grpc
import grpc.aio

from corral.addresses import Address
from corral.errors import BadMetadata
from corral.tls import Tls

logger = logging.getLogger("corral")

MAX_SEND_BYTES = 4 * 1024 * 1024
MAX_RECEIVE_BYTES = 8 * 1024 * 1024

Metadata = tuple[tuple[str, str], ...]

_warned_targets: set[str] = set()


def _credentials(address: Address) -> grpc.ChannelCredentials:
    return (address.credentials or Tls()).credentials()


def channel_options(address: Address) -> list[tuple[str, int | str]]:
    """Gives the options that every channel of the SDK has."""
    options: list[tuple[str, int | str]] = [
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_send_message_length", MAX_SEND_BYTES),
        ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
        # Going to another hub is decided here, so gRPC's own retries and its long
        # reconnect delays, shared between channels, would only stand in the way.
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 2000),
    ]
    if address.private:
        options.append(("grpc.enable_http_proxy", 0))
    if address.credentials is not None and address.credentials.server_name:
        options.append(("grpc.ssl_target_name_override", address.credentials.server_name))
    return options


def open_aio_channel(address: Address) -> grpc.aio.Channel:
    """Makes a channel for the running asyncio loop."""
    options = channel_options(address)
    if address.tls:
        credentials = _credentials(address)
        return grpc.aio.secure_channel(address.target, credentials, options=options)
    return grpc.aio.insecure_channel(address.target, options=options)


def open_channel(address: Address) -> grpc.Channel:
    """Makes a channel for threads."""
    options = channel_options(address)
    if address.tls:
        credentials = _credentials(address)
        return grpc.secure_channel(address.target, credentials, options=options)
    return grpc.insecure_channel(address.target, options=options)


def call_metadata(
    addresses: tuple[Address, ...], token: str | None, namespace: str | None
) -> Metadata:
    """Gives the metadata of every call; None: `CORRAL_TOKEN` and `CORRAL_NAMESPACE`.

    Warns once for each address over which the token would travel readable. Raises `BadMetadata`
    for what no call can carry; line ends behind a token or namespace, as in a file, are left out.
    """
    token = _text("token", token)
    namespace = _text("namespace", namespace)
    metadata: list[tuple[str, str]] = []
    if token:
        metadata.append(("authorization", f"Bearer {token}"))
        for address in addresses:
            if not address.tls and not address.private and address.target not in _warned_targets:
                _warned_targets.add(address.target)
                logger.warning(
                    "The token travels readable to %s; use grpcs://%s.", address, address.target
                )
    if namespace:
        metadata.append(("corral-namespace", namespace))
    return tuple(metadata)


def _text(name: str, given: str | None) -> str:
    """What was given, or is in the environment, once it is known that it can be sent."""
    variable = f"CORRAL_{name.upper()}"
    text = (os.environ.get(variable, "") if given is None else given).rstrip("\r\n")
    for place, char in enumerate(text, 1):
        if not " " <= char <= "~":
            # Not the text itself, which is a secret and may be in a log for long.
            source = f"{name}=" if given is not None else variable
            raise BadMetadata(
                f"Character {place} of the {name} (from {source}) is {char!a}; only printable "
                "ASCII can be sent. Look for a line end or a quotation mark that was copied along."
            )
    return text
