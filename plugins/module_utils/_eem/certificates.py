# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter writes spaces around the colon of a slice, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: E203

"""The text of certificates, which users set instead of the path of a file. Private to the collection."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl

from ansible_collections.nec.expether.plugins.module_utils._eem.settings import PEM_BEGIN
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput

_CERTIFICATE = re.compile(rf"{PEM_BEGIN}CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def certificates_of(text: str, what: str) -> str:
    """Return the PEM text of certificates in one form: nothing but the certificates, in lines of 64 characters.

    White space does not count, so that a text is accepted whose line breaks a form or a shell made spaces.

    :param what: names the value in messages, which never repeat it
    :raises InvalidInput: it contains a private key, or something else that is not a certificate
    """
    if "PRIVATE KEY" in text:
        raise InvalidInput(f"{what} contains a private key. Set it to the certificates of authorities only.")
    bodies = _CERTIFICATE.findall(text)
    try:
        if len(bodies) != text.count(PEM_BEGIN):
            raise ValueError("a part of it does not begin and end like a certificate")
        ders = [base64.b64decode("".join(body.split()), validate=True) for body in bodies]
        pem = "".join(map(ssl.DER_cert_to_PEM_cert, ders))
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError) as error:  # of base64 too
        raise InvalidInput(
            f"{what} is not the PEM text of certificates ({error}). Set the whole text from"
            " -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, or the path of a file."
        ) from None
    return pem


def fingerprints(pem: str) -> list[str]:
    """Return the SHA-256 fingerprint of each certificate, as `openssl x509 -fingerprint -sha256` shows it.

    :param pem: as `certificates_of` returns it
    """
    digests = (hashlib.sha256(base64.b64decode(body)).hexdigest().upper() for body in _CERTIFICATE.findall(pem))
    return [":".join(digest[place : place + 2] for place in range(0, len(digest), 2)) for digest in digests]
