"""Contexts are shared, and made again when a file that they were made of is another."""

from pathlib import Path

import pytest

from tests.fencing import certificates
from vedette.health import tls
from vedette.kit import clock
from vedette.spec.tls import Tls


def test_a_new_authority_of_the_system_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, store = 10**12, tmp_path / "store.pem"
    monkeypatch.setattr(clock, "boottime", lambda: now)
    monkeypatch.setattr(tls, "_contexts", {})
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "absent"))
    store.write_bytes(certificates.make(tmp_path).read_bytes())
    first = tls.context(Tls(), "http/1.1")
    assert len(first.get_ca_certs()) == 1
    now += 2 * tls.LOOK_AGAIN
    assert tls.context(Tls(), "http/1.1") is first
    store.write_bytes(store.read_bytes() + certificates.make(tmp_path).read_bytes())
    now += 2 * tls.LOOK_AGAIN
    assert len(tls.context(Tls(), "http/1.1").get_ca_certs()) == 2
