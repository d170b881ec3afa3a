"""Messages are told apart however the bytes come, and what is none still passes."""

from __future__ import annotations

import itertools
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql import embedded
from raxol_sql.testing import Message
from raxol_sql.testing.address import Address
from raxol_sql.testing.conversation import Conversation
from raxol_sql.testing.messages import (
    FROM_CLIENT,
    FROM_SERVER,
    OPAQUE,
    BackendStream,
    FrontendStream,
    Stream,
)


def typed(kind: bytes, payload: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(payload) + 4) + payload


def untyped(code: int, payload: bytes = b"") -> bytes:
    return struct.pack("!ii", len(payload) + 8, code) + payload


STARTUP = untyped(196608, b"user\0me\0\0")
PAYLOADS = st.binary(max_size=40)


def messages_of(kinds: frozenset[bytes]) -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    return st.lists(
        st.tuples(st.sampled_from(sorted(kinds)), PAYLOADS).map(lambda m: (m[0], typed(*m))),
        max_size=20,
    )


def fed(stream: Stream, data: bytes, cuts: set[int]) -> list[tuple[bytes, bytes]]:
    places = [0, *sorted(place for place in cuts if place < len(data)), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    return [message for piece in pieces for message in stream.feed(piece)]


CUTS = st.sets(st.integers(0, 600))


@given(messages_of(FROM_CLIENT), CUTS)
def test_a_clients_messages_are_the_same_in_any_pieces(
    messages: list[tuple[bytes, bytes]], cuts: set[int]
) -> None:
    data = STARTUP + b"".join(message for _, message in messages)

    assert fed(FrontendStream(), data, cuts) == [(b"StartupMessage", STARTUP), *messages]


@given(messages_of(FROM_SERVER), CUTS)
def test_a_servers_messages_are_the_same_in_any_pieces(
    messages: list[tuple[bytes, bytes]], cuts: set[int]
) -> None:
    assert fed(BackendStream(), b"".join(data for _, data in messages), cuts) == messages


@given(st.binary(max_size=300), CUTS, st.booleans())
def test_whatever_comes_goes_on_with_nothing_lost_and_nothing_added(
    data: bytes, cuts: set[int], is_asked: bool
) -> None:
    backend = BackendStream()
    backend.is_asked_for_encryption = is_asked
    for stream in (FrontendStream(), backend):
        passed = b"".join(message for _, message in fed(stream, data, cuts))

        assert passed + stream.rest == data


@pytest.mark.parametrize(
    ("code", "kind"), [(80877103, b"SSLRequest"), (80877104, b"GSSENCRequest")]
)
def test_a_client_may_ask_for_encryption_before_it_begins(code: int, kind: bytes) -> None:
    found = [*FrontendStream().feed(untyped(code) + STARTUP)]

    assert [name for name, _ in found] == [kind, b"StartupMessage"]


def test_a_cancel_request_is_a_message_of_its_own() -> None:
    request = untyped(80877102, struct.pack("!ii", 1, 2))

    assert [*FrontendStream().feed(request)] == [(b"CancelRequest", request)]


def test_what_is_encrypted_from_the_first_byte_passes_unseen() -> None:
    assert [*FrontendStream().feed(b"\x16\x03\x01\x02\x00")] == [(OPAQUE, b"\x16\x03\x01\x02\x00")]


@pytest.mark.parametrize(("answer", "is_opaque"), [(b"S", True), (b"G", True), (b"N", False)])
def test_the_answer_to_a_request_for_encryption_has_no_length(
    answer: bytes, is_opaque: bool
) -> None:
    stream = BackendStream()
    stream.is_asked_for_encryption = True

    assert [*stream.feed(answer)] == [(OPAQUE, answer)]
    assert stream.is_opaque is is_opaque


def test_an_execute_is_about_the_statement_of_its_portal() -> None:
    conversation = Conversation()

    parse = conversation.understand(b"P", typed(b"P", b"one\0select 1\0\0\0"))
    conversation.understand(b"P", typed(b"P", b"two\0commit\0\0\0"))
    conversation.understand(b"B", typed(b"B", b"a\0one\0\0\0\0\0\0\0"))
    bind = conversation.understand(b"B", typed(b"B", b"b\0two\0\0\0\0\0\0\0"))
    first, second = (
        conversation.understand(b"E", typed(b"E", name + b"\0\0\0\0\0")) for name in (b"a", b"b")
    )

    assert [one.sql for one in (parse, bind, first, second)] == [
        b"select 1",
        b"commit",
        b"select 1",
        b"commit",
    ]


STEPS = {
    "parse": typed(b"P", b"\0select 1\0\0\0"),
    "parse wrongly": typed(b"P", b"\0selec 1\0\0\0"),
    "parse what fails": typed(b"P", b"\0select 1/0\0\0\0"),
    "parse nothing": typed(b"P", b"\0\0\0\0"),
    "bind": typed(b"B", b"\0\0\0\0\0\0\0\0"),
    "bind what is not there": typed(b"B", b"\0nothing\0\0\0\0\0\0\0"),
    "describe": typed(b"D", b"P\0"),
    "describe a statement": typed(b"D", b"S\0"),
    "execute": typed(b"E", b"\0\0\0\0\0"),
    "close": typed(b"C", b"S\0"),
    "flush": typed(b"H"),
    "sync": typed(b"S"),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_it_is_known_exactly_when_a_server_owes_nothing_more(
    server: embedded.Server, steps: list[str]
) -> None:
    conversation = Conversation()
    frontend, backend = FrontendStream(), BackendStream()
    startup = untyped(196608, b"user\0postgres\0\0")
    query = typed(b"Q", b"select 1; select 2\0")
    data = startup + b"".join(STEPS[step] for step in steps) + STEPS["sync"] + query
    expected = 3 + steps.count("sync")
    with Address.of(server.conninfo()).socket() as line:
        line.settimeout(10.0)
        line.connect(Address.of(server.conninfo()).where)
        line.sendall(data)
        for kind, raw in frontend.feed(data):
            conversation.sent(Message(kind, raw))

        while expected:
            assert not conversation.is_settled
            for kind, _ in backend.feed(line.recv(65536)):
                conversation.received(kind)
                expected -= kind == b"Z"
        line.shutdown(socket.SHUT_WR)

    assert conversation.is_settled
    assert not conversation.may_keep_back
