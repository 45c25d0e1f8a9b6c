"""Catalogs that hold some objects, and what they say of the one service that most tests are about."""

from trimtab.control.catalog import Catalog, ServicePort
from trimtab.control.kubernetes import Object
from trimtab.model import Endpoint, ServiceRef

PAYMENTS = ServiceRef("payments", "prod", "8080")


def catalog(*objects: Object) -> Catalog:
    filled = Catalog()
    filled.apply(objects, ())
    return filled


def port(filled: Catalog, ref: ServiceRef = PAYMENTS) -> ServicePort:
    found = filled.get(ref)
    assert found is not None
    return found


def endpoints(filled: Catalog, ref: ServiceRef = PAYMENTS) -> list[Endpoint]:
    return [endpoint for _, endpoint in port(filled, ref).assignment.endpoints()]
