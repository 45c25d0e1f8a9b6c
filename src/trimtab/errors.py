"""Every error Trimtab raises, in one tree.

    TrimtabError
    ├── TargetError           a target that does not name a service            (also ValueError)
    ├── PolicyError           a policy that cannot be honoured                  (also ValueError)
    ├── BootstrapError        no usable xDS bootstrap                           (also ValueError)
    ├── ManifestError         a Kubernetes manifest that cannot be used         (also ValueError)
    ├── ClusterError          the Kubernetes API cannot be used as configured
    ├── ProtocolError         a peer sent xDS that breaks the protocol          (also ValueError)
    │   └── LimitExceeded         a client asked for more on one stream than it may     (also ValueError)
    ├── ForkError             a channel cannot be used in a forked process      (also RuntimeError)
    ├── ServeError            a server cannot serve where, what or as it was told to
    ├── WarmupError           a warm-up that cannot be run as declared          (also ValueError)
    ├── AdminError            the control plane's admin port cannot be asked, or gave no usable answer
    ├── DemoError             a demonstration that cannot run as asked          (also ValueError)
    ├── ScenarioError         a simulation that cannot be run as asked          (also ValueError)
    └── Unavailable           no endpoint can take this call
        ├── ServiceNotFound       the control plane knows no such service
        ├── NoEndpoints           the service has no endpoint that may be used
        ├── TooManyRequests       as many calls are in flight as the service's policy allows
        └── ControlPlaneUnreachable   nothing is known yet, and nobody to ask

Each message says what happened, to what, and what to do about it. At the edge of the library `Unavailable` becomes the
exception callers already catch: `grpc.RpcError` or `grpc.aio.AioRpcError`.
"""


class TrimtabError(Exception):
    """Base of all errors raised by Trimtab."""


class TargetError(TrimtabError, ValueError):
    """A target string does not name a Kubernetes service."""


class PolicyError(TrimtabError, ValueError):
    """A balancing policy has a field that is unknown or out of range."""


class BootstrapError(TrimtabError, ValueError):
    """The xDS bootstrap is missing, unreadable or incomplete."""


class ManifestError(TrimtabError, ValueError):
    """A manifest cannot be used; the message names file, document and field."""


class ClusterError(TrimtabError):
    """The Kubernetes API cannot be used as configured; the message names the file, setting or permission."""


class ProtocolError(TrimtabError, ValueError):
    """A peer sent bytes or a message that xDS does not allow."""


class LimitExceeded(ProtocolError):
    """A client asked for more on one stream, or one connection, than the control plane keeps for anybody."""


class ForkError(TrimtabError, RuntimeError):
    """A channel cannot be used, or not be opened, in a process that was forked from one with open channels."""


class ServeError(TrimtabError):
    """The control plane or a pod cannot serve where, what or as it was told to."""


class WarmupError(TrimtabError, ValueError):
    """A warm-up that cannot be run as declared; the message names the step."""


class AdminError(TrimtabError):
    """The control plane's admin port cannot be asked, or gave no usable answer."""


class DemoError(TrimtabError, ValueError):
    """The demonstration cannot run as asked, or one of its processes ended."""


class ScenarioError(TrimtabError, ValueError):
    """A scenario cannot be simulated; the message names file and field."""


class Unavailable(TrimtabError):
    """No endpoint can take this call now."""


class ServiceNotFound(Unavailable):
    """The control plane answered that it knows no such service."""


class NoEndpoints(Unavailable):
    """The service exists, but none of its endpoints may be used."""


class TooManyRequests(Unavailable):
    """As many calls are in flight as the service's policy allows: its circuit breaker is open."""


class ControlPlaneUnreachable(Unavailable):
    """No assignment was ever received and the control plane cannot be reached."""
