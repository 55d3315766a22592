"""Certificates of the kinds that a client must tell apart."""

from __future__ import annotations

import datetime as dt
import ipaddress

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)
HERE = ("localhost", "127.0.0.1")


def write_certificates(folder):
    """Write ca.pem, and per kind `<kind>.crt`, `<kind>.key` and `<kind>.pem` (key and chain in one)."""
    authority, stranger = trustme.CA(), trustme.CA()
    now = dt.datetime.now(dt.UTC)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaves = {
        "good": authority.issue_cert(*HERE),
        "expired": authority.issue_cert(*HERE, not_before=now - 30 * DAY, not_after=now - DAY),
        "future": authority.issue_cert(*HERE, not_before=now + DAY, not_after=now + 30 * DAY),
        "wronghost": authority.issue_cert("db.other.example"),
        "unknownca": stranger.issue_cert(*HERE),
        "client": authority.issue_cert("client@example.org"),
    }
    for kind, leaf in leaves.items():
        chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
        write_pair(folder, kind, chain, leaf.private_key_pem.bytes())
    write_pair(folder, "selfsigned", *self_signed(now))
    return folder


def write_pair(folder, kind, chain, key):
    (folder / f"{kind}.crt").write_bytes(chain)
    for name, content in ((f"{kind}.key", key), (f"{kind}.pem", key + chain)):
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o644)  # servers under other accounts read these test keys


def self_signed(now):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY)
    cert = builder.not_valid_after(now + 30 * DAY).add_extension(names, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return cert.public_bytes(serialization.Encoding.PEM), secret
