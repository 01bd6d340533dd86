"""Certificates of a certificate authority that only a test trusts."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def made_up(folder: Path) -> Path:
    """Make a CA, and certificates of a server on 127.0.0.1 and of a client, named as the Docker client names them."""
    folder.mkdir()
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-subj")
    _openssl(folder, *new, "/CN=test ca", "-x509", "-days", "2", "-keyout", "ca-key.pem", "-out", "ca.pem")
    for name, use in (("server", "serverAuth"), ("client", "clientAuth")):
        key, cert = ("key.pem", "cert.pem") if name == "client" else ("server-key.pem", "server-cert.pem")
        (folder / "use").write_text(f"extendedKeyUsage={use}\nsubjectAltName=IP:127.0.0.1\n")
        _openssl(folder, *new, f"/CN={name}", "-keyout", key, "-out", "request.pem")
        signed = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "use")
        _openssl(folder, "x509", "-req", "-in", "request.pem", *signed, "-out", cert)
    return folder
