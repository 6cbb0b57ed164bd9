"""Certificates for a cluster of one's own: an authority, and one for scheduler, workers and clients."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import NamedTuple

from batchmill.errors import InvalidSetting, MissingExtra, StorageError

DAYS = 365
_NAME = "batchmill cluster"


class Certificates(NamedTuple):
    """The paths of the authority's certificate, of the participants' certificate, and of its key."""

    ca: Path
    cert: Path
    key: Path


def make_certificates(folder: str, days: int = DAYS) -> Certificates:
    """Write new ones into ``folder``, which is made where it is not there; for its owner's eyes only.

    The authority's own key is not kept: nobody can make another certificate that is taken. Dask looks whether
    the other side's certificate is of this authority, and not at names of hosts, so one is enough for all.

    Raises :class:`InvalidSetting` where certificates are there already, :class:`MissingExtra` without the
    library, :class:`StorageError` if nothing can be written.
    """
    made = Certificates(*(Path(folder, name) for name in ("ca.pem", "cert.pem", "key.pem")))
    if there := [str(path) for path in made if path.exists()]:
        raise InvalidSetting(f"{there[0]} already exists; name another folder, or remove it first")
    texts = _texts(days)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for path, text in zip(made, texts, strict=True):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text)
    except OSError as fault:
        raise StorageError(f"the certificates cannot be written: {fault}") from fault
    return made


def _texts(days: int) -> tuple[bytes, bytes, bytes]:
    """The contents of the three files of :class:`Certificates`, in PEM."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError as fault:
        raise MissingExtra("dask", "certificates") from fault
    begin = datetime.datetime.now(datetime.UTC)

    def signed(name: str, issuer: str, key: object, by: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=begin - datetime.timedelta(hours=1),  # clocks differ
            not_valid_after=begin + datetime.timedelta(days=days),
        ).add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        pem: bytes = builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return pem

    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, name = f"{_NAME} authority", _NAME
    key = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (
        signed(issuer, issuer, authority.public_key(), authority, ca=True),
        signed(name, issuer, own.public_key(), authority, ca=False),
        key,
    )
