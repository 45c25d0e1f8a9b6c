"""Requests of which all but version and nonce is a repetition, recognised without decoding them.

In state of the world an ACK names the whole subscription again, thousands of services maybe, and then nothing of it is new.
Protobuf messages concatenate: if what stands between version and nonce decodes to names and type alone, then the same bytes
between another version and another nonce ask for the same.
"""

from ..errors import ProtocolError
from . import messages
from .discovery import DiscoveryRequest, encode_nonce, encode_version, parse


def repeatable_part(request: DiscoveryRequest) -> bytes | None:
    """The bytes of a decoded request that say what is asked for; None: they cannot be told from the rest.

    Field by field in ascending order is how protobuf libraries write; whoever does otherwise has its ACKs decoded.
    """
    data, version, nonce = request.encoded, encode_version(request.version), encode_nonce(request.nonce)
    if len(data) < len(version) + len(nonce) or not (data.startswith(version) and data.endswith(nonce)):
        return None
    part = data[len(version) : len(data) - len(nonce)]
    try:
        message = parse(messages.DiscoveryRequest, part)
    except ProtocolError:
        # What looked like the version or the nonce was the inside of something else.
        return None
    says_more = message.version_info or message.response_nonce or message.HasField("node")
    return None if says_more or message.HasField("error_detail") else part
