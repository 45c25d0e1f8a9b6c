"""What a pretended API server says when it does not do as it is asked: Status objects, in the words of kube-apiserver.

Where they are from: k8s.io/apimachinery `pkg/api/errors` and k8s.io/apiserver `pkg/endpoints/handlers/responsewriters`.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .fake_store import Json, encode, group_of, qualified

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Refused(Exception):
    """A request that is answered with a Status."""

    def __init__(
        self,
        code: int,
        message: str,
        reason: str = "",
        *,
        details: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": dict(metadata or {}),
            "status": "Failure",
            "message": message,
            "reason": reason or _REASONS[code],
            **({"details": dict(details)} if details else {}),
            "code": code,
        }

    def response(self) -> web.Response:
        retry_after_s = self.status.get("details", {}).get("retryAfterSeconds")
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return web.Response(
            status=self.code, body=encode(self.status), content_type="application/json", headers=headers
        )


def too_many_requests(retry_after_s: int) -> web.Response:
    """What priority and fairness answers: a text, no Status."""
    text = "Too many requests, please try again later.\n"
    return web.Response(status=429, text=text, headers={"Retry-After": str(retry_after_s)})


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized")


def unknown_patch() -> Refused:
    known = [f"application/{name}" for name in ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json")]
    listed = ", ".join([*known, "application/apply-patch+yaml"])
    return Refused(415, f"the body of the request was in an unknown format - accepted media types include: {listed}")


def no_such_resource() -> Refused:
    return Refused(404, "the server could not find the requested resource")


def forbidden(user: str, verb: str, resource: str, namespace: str, name: str = "") -> Refused:
    """`resource` may have a subresource behind a slash."""
    plain = resource.partition("/")[0]
    what = f'{qualified(plain)} "{name}"' if name else qualified(plain)
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    asked = f'User "{user}" cannot {verb} resource "{resource}" in API group "{group_of(plain)}" {where}'
    return Refused(403, f"{what} is forbidden: {asked}", details=about(plain, name))


def namespace_terminating(resource: str, name: str, namespace: str) -> Refused:
    """What the admission of NamespaceLifecycle answers to whoever creates something."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    message = f"namespace {namespace} is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
    what = f'{qualified(resource)} "{name}" is forbidden: {why}'
    return Refused(403, what, details={**about(resource, name), "causes": [cause]})


def not_found(resource: str, name: str) -> Refused:
    return Refused(404, f'{qualified(resource)} "{name}" not found', details=about(resource, name))


def already_exists(resource: str, name: str) -> Refused:
    return Refused(
        409, f'{qualified(resource)} "{name}" already exists', "AlreadyExists", details=about(resource, name)
    )


def conflict(resource: str, name: str) -> Refused:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return Refused(409, message, details=about(resource, name))


def invalid(kind: str, name: str, field: str, why: str) -> Refused:
    """`kind` has its group behind it."""
    plain, _, group = kind.partition(".")
    cause = {"reason": "FieldValueInvalid", "message": why, "field": field}
    details = {"name": name, "group": group, "kind": plain, "causes": [cause]}
    return Refused(422, f'{kind} "{name}" is invalid: {field}: {why}', details=_said(details))


def expired(asked: int, oldest: int) -> Refused:
    return Refused(410, f"too old resource version: {asked} ({oldest})")


def expired_page(token: str) -> Refused:
    """`token` goes on with what there is by now."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
        "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the "
        "provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first "
        "chunk was returned and now may show up in the list."
    )
    return Refused(410, message, metadata={"continue": token})


def too_large(asked: int, current: int) -> Refused:
    message = f"Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Refused(504, f"Timeout: {message}", details={"causes": [cause], "retryAfterSeconds": 1})


def invalid_options(field: str, why: str) -> Refused:
    cause = {"reason": "FieldValueForbidden", "message": f"Forbidden: {why}", "field": field}
    return Refused(
        422,
        f'ListOptions.meta.k8s.io "" is invalid: {field}: Forbidden: {why}',
        details={"group": "meta.k8s.io", "kind": "ListOptions", "causes": [cause]},
    )


def about(resource: str, name: str) -> Json:
    """The details of a Status: what it is about."""
    return _said({"name": name, "group": group_of(resource), "kind": resource})


def _said(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value}
