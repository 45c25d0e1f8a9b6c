"""What somebody asks of a collection at a pretended API server: which objects, since when, and in which form."""

from collections.abc import Mapping
from dataclasses import dataclass

from .fake_status import Refused, invalid_options
from .fake_store import API_VERSIONS, Change, Json, selects


@dataclass(frozen=True, slots=True)
class Ask:
    """A list, or a watch."""

    resource: str
    namespace: str
    query: Mapping[str, str]
    partial: bool
    """Metadata alone is wanted."""

    @property
    def selector(self) -> str:
        return self.query.get("labelSelector", "")

    @property
    def version(self) -> int:
        """The resource version that is asked for; 0: whichever there is."""
        return int(self.query.get("resourceVersion") or "0")

    def check(self) -> None:
        """Options that do not go together are refused (apimachinery, `apis/meta/internalversion/validation`)."""
        match = self.query.get("resourceVersionMatch", "")
        if self.query.get("watch") == "true":
            if "sendInitialEvents" in self.query and match != "NotOlderThan":
                why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                raise invalid_options("resourceVersionMatch", why)
            if match and "sendInitialEvents" not in self.query:
                why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
                raise invalid_options("resourceVersionMatch", why)
            return
        if "sendInitialEvents" in self.query:
            raise invalid_options("sendInitialEvents", "sendInitialEvents is forbidden for list")
        if match and not self.query.get("resourceVersion"):
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            raise invalid_options("resourceVersionMatch", why)
        if match and self.query.get("continue"):
            raise invalid_options("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
        if self.query.get("continue") and self.version:
            raise Refused(400, "specifying resource version is not allowed when using continue")
        # A list as of an older version is nothing that anybody here asks for.
        assert match != "Exact"

    def is_about(self, item: Json) -> bool:
        """Whether the field selector selects an object; one field of Events is known here."""
        name, _, value = self.query.get("fieldSelector", "").partition("=")
        if not name:
            return True
        assert (self.resource, name) == ("events", "involvedObject.uid")
        return bool(item["involvedObject"].get("uid") == value)

    def event(self, change: Change) -> Json | None:
        """What a watch says of a change; None: nothing, for it does not concern what is watched."""
        item = change.item
        if change.resource != self.resource or (self.namespace and item["metadata"].get("namespace") != self.namespace):
            return None
        now = change.type != "DELETED" and selects(self.selector, item)
        before = change.before is not None and selects(self.selector, change.before)
        if now:
            return {"type": "MODIFIED" if before else "ADDED", "object": self.shape(item)}
        if not before or change.before is None:
            return None
        # As it was when it was selected last, and as old as what ended that.
        metadata = change.before["metadata"] | {"resourceVersion": str(change.revision)}
        return {"type": "DELETED", "object": self.shape({**change.before, "metadata": metadata})}

    def shape(self, item: Json) -> Json:
        """An object in the form that is wanted."""
        if not self.partial:
            return dict(item)
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}

    def bookmark(self, revision: int, *, initial_end: bool = False) -> Json:
        """An object of the kind that is watched, without content."""
        version, kind = API_VERSIONS[self.resource]
        metadata: Json = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        rest: Json = {"addressType": "", "endpoints": None, "ports": None} if kind == "EndpointSlice" else {"spec": {}}
        return {
            "type": "BOOKMARK",
            "object": self.shape({"kind": kind, "apiVersion": version, "metadata": metadata, **rest}),
        }


def without_type(item: Json) -> Json:
    """An object as it is in a list."""
    return {name: value for name, value in item.items() if name not in ("kind", "apiVersion")}
