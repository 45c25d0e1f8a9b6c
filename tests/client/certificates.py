"""Certificates of an authority that exists for one test."""

import grpc
import trustme


def server_credentials(certificate: trustme.LeafCert) -> grpc.ServerCredentials:
    """What a server presents `certificate` with."""
    chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
    return grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])


def client_credentials(authority: trustme.CA) -> grpc.ChannelCredentials:
    """What a client trusts `authority` with."""
    return grpc.ssl_channel_credentials(authority.cert_pem.bytes())
