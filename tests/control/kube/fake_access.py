"""Who may do what at a pretended API server: tokens, and roles for the whole cluster."""

import itertools
from collections.abc import Iterable, Mapping

from .fake_status import forbidden, unauthorized
from .fake_store import FakeStore, Json, group_of

ADMIN = "admin"
"""May do everything, as the group system:masters may."""
_ANYBODY = "system:serviceaccount:trimtab:trimtab"


def admins(*tokens: str) -> dict[str, str]:
    """Users by their tokens: all of them are the administrator."""
    return dict.fromkeys(tokens, ADMIN)


class Access:
    """Users by their tokens, and what ClusterRoles that are bound to them allow (RBAC)."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._numbers = itertools.count(1)
        self.users: Mapping[str, str] | None = None
        """By token; None: whoever comes may do everything, with any token and without."""
        self.denied: set[str] = set()
        """Resources that nobody may touch."""
        self._accounts: dict[str, str] = {}

    def check(self, authorization: str, verb: str, resource: str, namespace: str, name: str = "") -> None:
        """Raises Refused."""
        user = self.authenticate(authorization)
        allowed = self.users is None or user == ADMIN or self._is_allowed(user, verb, resource)
        if resource in self.denied or not allowed:
            raise forbidden(user, verb, resource, namespace, name)

    def authenticate(self, authorization: str) -> str:
        """Who it is. Raises Refused."""
        if self.users is None:
            return _ANYBODY
        token = authorization.removeprefix("Bearer ")
        user = self.users.get(token) or self._accounts.get(token)
        if user is None:
            raise unauthorized()
        return user

    def token_for(self, namespace: str, account: str) -> str:
        """A new token of a service account."""
        token = f"token-{next(self._numbers)}-of-{account}"
        self._accounts[token] = f"system:serviceaccount:{namespace}:{account}"
        return token

    def _is_allowed(self, user: str, verb: str, resource: str) -> bool:
        group = group_of(resource.partition("/")[0])
        return any(
            group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
            for rule in self._rules(user)
        )

    def _rules(self, user: str) -> Iterable[Json]:
        roles = self._store.objects["clusterroles"]
        for binding in self._store.objects["clusterrolebindings"].values():
            role = roles.get(("", binding["roleRef"]["name"]))
            if role is not None and any(_name(subject) == user for subject in binding["subjects"]):
                yield from role["rules"]


def _name(subject: Json) -> str:
    if subject["kind"] == "ServiceAccount":
        return f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    return str(subject["name"])
