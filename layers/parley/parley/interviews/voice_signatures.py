"""Whether a webhook's request comes from the voice vendor: the ways in which Vapi's custom credentials sign.

A credential is an object of the deployment's voice secret, `webhook` (docs/voice.md). All that are configured are
looked at, so that one can be replaced by another without a gap.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from parley.core.clock import Clock
from parley.core.observability import logger

_WINDOW_SECONDS = 300.0
_LEAST_SECRET = 16  # characters, or bytes where it is written in base64
# What is more is milliseconds.
_LATEST_SECONDS = 1e11
_PLACEHOLDER = re.compile(r"\{(body|timestamp|method|url|svix-id)\}")
_METHOD = b"POST"

Mode = Literal["secret", "bearer", "hmac", "oauth2"]


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to sign.

    Attributes:
        mode: `secret`: the `X-Vapi-Secret` header; `bearer`: a token in a header; `hmac`: a signature of the request;
            `oauth2`: an access token (JWT) of an issuer of yours, by the client credentials grant.
        secret: the token, or the key of the signatures; of oauth2 that of HS256.
        header, prefix: where a bearer token or a signature stands, and what stands before it.
        algorithm: sha256, sha512 or sha1; of oauth2 that of the access token.
        encoding: of the signature: hex or base64.
        secret_is_base64: whether the key of the signatures is written in base64, perhaps with `whsec_` before it.
        include_timestamp, timestamp_header: whether a time is sent, and where. It may be 300 seconds off. Without one
            nothing tells a request from its repetition, which the inbox does.
        payload_format: what is signed, with {timestamp}, {body}, {method}, {url} and {svix-id} in it. It has to have
            {body}, and {timestamp} where a time is sent: one that is not signed could be anybody's.
        message_id_header: where the id of {svix-id} stands.
        url: what the sender writes for {url}: the address that is set there.
        issuer, audience, jwks_url: of oauth2. Issuer and audience have to be there, since an issuer gives tokens to
            others too.
    """

    mode: Mode
    secret: str = ""
    header: str = ""
    prefix: str = ""
    algorithm: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    secret_is_base64: bool = False
    include_timestamp: bool = True
    timestamp_header: str = "x-timestamp"
    payload_format: str = ""
    message_id_header: str = "svix-id"
    url: str = ""
    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""


def credentials_of(configured: Any) -> tuple[Credential, ...]:
    """Read the secret's `webhook`. What is unusable is left out, and the log says so."""
    found = []
    for number, item in enumerate(configured if isinstance(configured, list) else []):
        try:
            found.append(_credential(item))
        except (TypeError, ValueError) as error:
            logger.error("a webhook credential is unusable", number=number, detail=str(error))
    return tuple(found)


def is_signed(credentials: Sequence[Credential], headers: Mapping[str, str], body: bytes, clock: Clock) -> bool:
    """Whether the request fits one of the credentials; without any, it does not.

    Args:
        headers: by lower-case name.
        body: as it was sent.

    Raises Problem (503) where an issuer's keys cannot be fetched.
    """
    now = clock.now().timestamp()
    # All of them, whichever fits: how long it takes says nothing.
    fitting = [_fits(credential, headers, body, now) for credential in credentials]
    return any(fitting)


def _credential(item: Any) -> Credential:
    """Raises TypeError, ValueError, whose messages hold no value."""
    if not isinstance(item, dict):
        raise TypeError("it has to be an object")
    names = {field.name for field in fields(Credential)}
    if unknown := item.keys() - names:
        raise ValueError(f"unknown members: {', '.join(sorted(map(str, unknown)))}")
    mode = item.get("mode")
    if mode not in ("secret", "bearer", "hmac", "oauth2"):
        raise ValueError("mode is one of secret, bearer, hmac and oauth2")
    defaults: dict[str, Any] = {
        "secret": {"header": "x-vapi-secret"},
        "bearer": {"header": "authorization", "prefix": "Bearer "},
        "hmac": {"header": "x-signature"},
        "oauth2": {"header": "authorization", "prefix": "Bearer ", "algorithm": "RS256"},
    }[mode]
    credential = Credential(**(defaults | item))
    if any(
        type(getattr(credential, field.name)).__name__ != field.type
        for field in fields(Credential)
        if field.type in ("str", "bool")
    ):
        raise TypeError("a member has the wrong type")
    if mode == "oauth2" and not (credential.issuer and credential.audience):
        raise ValueError("oauth2 has to have an issuer, and an audience that the tokens of users never have")
    key = _key(credential) if mode == "hmac" else credential.secret
    if not (mode == "oauth2" and credential.jwks_url) and len(key) < _LEAST_SECRET:
        raise ValueError(f"its secret has to have at least {_LEAST_SECRET} characters, or bytes in base64")
    if mode == "hmac":
        if credential.algorithm not in ("sha256", "sha512", "sha1") or credential.encoding not in ("hex", "base64"):
            raise ValueError("algorithm is sha256, sha512 or sha1, encoding hex or base64")
        if "{body}" not in _format(credential):
            raise ValueError("payload_format has to have {body} in it")
        if credential.include_timestamp and "{timestamp}" not in _format(credential):
            raise ValueError("payload_format has to have {timestamp} in it, unless include_timestamp is false")
    return credential


def _fits(credential: Credential, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    sent = headers.get(credential.header.lower(), "")
    if credential.mode == "oauth2":
        return _is_access_token(credential, sent)
    if credential.mode != "hmac":
        return hmac.compare_digest((credential.prefix + credential.secret).encode(), _bytes(sent.strip()))
    timestamp = headers.get(credential.timestamp_header.lower(), "").strip()
    in_time = not credential.include_timestamp or _is_recent(timestamp, now)
    values = {
        "body": body,
        "timestamp": _bytes(timestamp),
        "method": _METHOD,
        "url": credential.url.encode(),
        "svix-id": _bytes(headers.get(credential.message_id_header.lower(), "").strip()),
    }
    # One pass: what a body holds is not taken for a placeholder.
    parts = _PLACEHOLDER.split(_format(credential))
    signed = b"".join(values[part] if number % 2 else part.encode() for number, part in enumerate(parts))
    digest = hmac.new(_key(credential), signed, credential.algorithm).digest()
    encoded = digest.hex() if credential.encoding == "hex" else base64.b64encode(digest).decode()
    expected = (credential.prefix + encoded).encode()
    # Svix sends several while a key is replaced.
    signatures = sent.split() if " " not in credential.prefix else [sent]
    fitting = [hmac.compare_digest(expected, _bytes(signature)) for signature in signatures or [""]]
    return any(fitting) and in_time


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _format(credential: Credential) -> str:
    return credential.payload_format or ("{timestamp}.{body}" if credential.include_timestamp else "{body}")


def _key(credential: Credential) -> bytes:
    if not credential.secret_is_base64:
        return credential.secret.encode()
    try:
        return base64.b64decode(credential.secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("its secret is not base64") from None


def _is_recent(timestamp: str, now: float) -> bool:
    if not re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,9})?", timestamp):
        return False
    seconds = float(timestamp)
    return abs(now - (seconds / 1000 if seconds >= _LATEST_SECONDS else seconds)) <= _WINDOW_SECONDS


def _is_access_token(credential: Credential, sent: str) -> bool:
    import jwt

    scheme, _, token = sent.strip().partition(" ")
    if scheme.lower() != credential.prefix.strip().lower() or not token:
        return False
    try:
        key: Any = credential.secret
        if credential.jwks_url:
            key = _published(credential.jwks_url).get_signing_key_from_jwt(token).key
        jwt.decode(
            token,
            key,
            algorithms=[credential.algorithm],
            audience=credential.audience,
            issuer=credential.issuer,
            options={"require": ["exp"]},
        )
    except jwt.PyJWKClientConnectionError:
        from parley.core.errors import Problem

        raise Problem(
            "keys_unavailable", "The signing keys cannot be fetched right now.", status=503, retry_after=5
        ) from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False
    return True


_clients: dict[str, Any] = {}


def _published(url: str) -> Any:
    """The issuer's keys, fetched again after five minutes."""
    import jwt

    if url not in _clients:
        _clients[url] = jwt.PyJWKClient(url, cache_jwk_set=True, lifespan=300, timeout=3)
    return _clients[url]
