"""What services are called and where they are: hints for whoever asks for one that there is not."""

from collections import Counter, defaultdict

from .references import ServiceKey

_LISTED = 10
_ELSEWHERE_LISTED = 5


class ServiceNames:
    """Kept along with the services: one request may ask for thousands of names in vain."""

    def __init__(self) -> None:
        self._namespaces: Counter[str] = Counter()
        self._of_name: defaultdict[str, set[str]] = defaultdict(set)
        """Namespaces by name of the service."""
        self._listed: str | None = None
        """The first namespaces in words; None: they changed."""

    def add(self, key: ServiceKey) -> None:
        """A service is there."""
        namespace, name = key
        if namespace not in self._of_name[name]:
            self._of_name[name].add(namespace)
            self._namespaces[namespace] += 1
            self._listed = None

    def remove(self, key: ServiceKey) -> None:
        """A service that may have been there is not."""
        namespace, name = key
        if namespace not in self._of_name.get(name, ()):
            return
        self._of_name[name].discard(namespace)
        if not self._of_name[name]:
            del self._of_name[name]
        self._namespaces[namespace] -= 1
        if not self._namespaces[namespace]:
            del self._namespaces[namespace]
        self._listed = None

    def why_not(self, key: ServiceKey) -> str:
        """Why there is no service `key`, as far as names tell."""
        namespace, name = key
        if namespace not in self._namespaces:
            if self._listed is None:
                self._listed = ", ".join(sorted(self._namespaces)[:_LISTED]) or "none at all"
            return f"there is no service in namespace {namespace}; services are known in: {self._listed}"
        elsewhere = sorted(self._of_name.get(name, ()))
        hint = f"; there is one in namespace {', '.join(elsewhere[:_ELSEWHERE_LISTED])}" if elsewhere else ""
        return f"there is no service {name} in namespace {namespace}{hint}"
