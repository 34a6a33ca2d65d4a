"""The address of a running Ray head, tried before Ray tries it for 20 s, or for minutes."""

from __future__ import annotations

import os
import socket
import sys

from pipeline.errors import InputError
from pipeline.ray_token import read_token, refused

PROBE_SECONDS = 3.0
# What opens an HTTP/2 connection, and so gRPC's: the preface and an empty frame of settings (RFC 9113, 3.4).
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
# The head's cheapest call that wants the token; an empty message asks about no node.
_CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive"


def check_address(address: str) -> None:
    """Raises InputError within seconds if no Ray head answers at HOST:PORT or if it lets nobody in from here.

    Where the head wants a token and one is found, RAY_AUTH_MODE is set to use it: with an address Ray never
    does so by itself. Ray reads the variable while it is imported, so call this before. Of `auto` nothing is
    checked.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError(
            f"--address {address}: must be HOST:PORT of a Ray head (ray start --head prints it), or auto"
        )
    encrypted = os.environ.get("RAY_USE_TLS", "0") != "0"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS) as connection:
            if not encrypted:
                connection.sendall(_HTTP2)
                if connection.recv(4)[3:] != b"\4":  # a frame of settings
                    raise OSError(None, "what listens there is no Ray head; its dashboard has another port")
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"--address {address}: no Ray head answers there: {reason}") from None
    if not encrypted and not address.startswith("ray://"):
        _let_in(address, f"{host}:{port}")


def _let_in(address: str, target: str) -> None:
    if _asks_for_token(target, None):
        # Only now: the token is for this cluster, and not for whatever else an address may lead to.
        token = read_token(address)
        if _asks_for_token(target, token):
            raise refused(address)
        mode = os.environ.get("RAY_AUTH_MODE", "").lower()
        if mode != "token" and (mode or "ray" in sys.modules):
            raise InputError(
                f"--address {address}: the cluster asks for a token, and Ray is told to use none here; "
                f"set RAY_AUTH_MODE=token{'' if mode else ' before ray is imported'}"
            )
        os.environ["RAY_AUTH_MODE"] = "token"


def _asks_for_token(target: str, token: str | None) -> bool:
    """Whether the head refuses a call for its token, missing or wrong. Any other trouble is left to Ray."""
    import grpc

    headers = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(target, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(_CALL)(b"", timeout=PROBE_SECONDS, metadata=headers)
        except grpc.RpcError as error:
            return bool(error.code() == grpc.StatusCode.UNAUTHENTICATED)
    return False
