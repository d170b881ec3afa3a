"""TLS that is wanted, offered and trusted, or is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql.ops.finding import Status
from raxol_sql.testing import FaultProxy
from tests.ops.network.conftest import Tcp, by_name, certificate, failing, walk


@pytest.mark.parametrize("sslmode", ["prefer", "allow"])
def test_a_server_without_tls_is_as_well_where_none_is_needed(database: str, sslmode: str) -> None:
    with FaultProxy(database) as proxy:
        reached = walk(make_conninfo(proxy.conninfo, sslmode=sslmode))

    assert by_name(reached)["tls"].status is Status.SKIP
    assert "offers none" in by_name(reached)["tls"].message
    assert reached.cause is None


@pytest.mark.parametrize("sslmode", ["require", "verify-full"])
def test_a_server_without_tls_fails_where_it_is_asked_for(database: str, sslmode: str) -> None:
    with FaultProxy(database) as proxy:
        reached = walk(make_conninfo(proxy.conninfo, sslmode=sslmode))

    assert f"sslmode={sslmode}" in failing(reached, "tls").message
    assert "ssl = on" in by_name(reached)["tls"].remedy
    assert reached.cause is not None
    assert reached.cause.is_final


@pytest.mark.parametrize("sslmode", ["prefer", "require"])
def test_tls_that_is_offered_is_told_with_its_version_and_cipher(tls: Tcp, sslmode: str) -> None:
    reached = walk(tls.conninfo(sslmode=sslmode))

    one = by_name(reached)["tls"]
    assert one.status is Status.OK
    assert one.message.startswith("TLSv1.")
    assert "AES" in one.message or "CHACHA20" in one.message
    assert "not verified" in one.message
    assert reached.cause is None


@pytest.mark.parametrize(
    ("sslmode", "host", "said"),
    [("verify-ca", "127.0.0.1", "is trusted"), ("verify-full", "localhost", "is for localhost")],
)
def test_a_certificate_that_is_trusted_is_said_to_be(
    tls: Tcp, sslmode: str, host: str, said: str
) -> None:
    reached = walk(tls.conninfo(sslmode=sslmode, host=host, sslrootcert=tls.root))

    assert by_name(reached)["tls"].message.endswith(said)
    assert reached.cause is None


def test_a_certificate_for_another_name_fails_and_says_for_which(tls: Tcp) -> None:
    reached = walk(tls.conninfo(sslmode="verify-full", sslrootcert=tls.root))

    one = failing(reached, "tls")
    assert "another name than 127.0.0.1" in one.message
    assert "TLS, sslmode=verify-full" in one.message


def test_a_certificate_that_nobody_vouches_for_fails(tls: Tcp, tmp_path: Path) -> None:
    other = certificate(tmp_path, "other")

    one = failing(walk(tls.conninfo(sslmode="verify-ca", sslrootcert=other)), "tls")

    assert "signed by no authority" in one.message
    assert "sslrootcert" in one.remedy


def test_root_certificates_that_are_not_there_are_named(tls: Tcp, tmp_path: Path) -> None:
    missing = tmp_path / "none.crt"

    one = failing(walk(tls.conninfo(sslmode="verify-ca", sslrootcert=missing)), "tls")

    assert "cannot be read" in one.message
    assert "sslrootcert" in one.remedy
