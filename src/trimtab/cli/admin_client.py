"""Questions to the admin port of a control plane."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import TypeVar

import msgspec

from ..errors import AdminError, ServiceNotFound, TargetError
from .listen_address import ListenAddress

T = TypeVar("T")

DEFAULT_ADMIN = "127.0.0.1:8080"
_PATIENCE_S = 10.0
# Not through a proxy: the admin port is on loopback or in the cluster.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(admin: ListenAddress, path: str, answer: type[T], *, option: str = "--admin", **query: str) -> T:
    """The answer to a question. `option` is how the user said where to ask.

    Raises AdminError if nobody answers, TargetError if the question makes no sense, ServiceNotFound if there is no such
    service.
    """
    data = _get(admin, f"{path}?{urllib.parse.urlencode(query)}" if query else path, option)
    try:
        return msgspec.json.decode(data, type=answer)
    except msgspec.MsgspecError as error:
        raise AdminError(
            f"{admin} gave an answer that is not understood ({error}); is it a trimtab control plane of this version?"
        ) from error


def _get(admin: ListenAddress, path: str, option: str) -> bytes:
    try:
        with _OPENER.open(f"http://{admin}{path}", timeout=_PATIENCE_S) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(admin, error.code, error.read()) from error
    except http.client.HTTPException as error:
        raise AdminError(
            f"what answers at {admin} does not speak HTTP/1; is it the xDS port? {option} wants the admin port"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or reason
        raise AdminError(
            f"no control plane answers at {admin}: {why}; "
            f"is `trimtab serve` running there? {option} says where to ask, as its own --admin says where to listen"
        ) from error


def _refused(admin: ListenAddress, code: int, body: bytes) -> Exception:
    try:
        reason = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return AdminError(f"{admin} answered with HTTP status {code}; is it the admin port of a trimtab control plane?")
    return TargetError(reason) if code == 400 else ServiceNotFound(reason)
