"""Blocks of a COPY between a session and its server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from raxol_sql.engine.session.session import Session
from raxol_sql.engine.session.unknown_outcome import tell_ending


async def send(
    session: Session, text: str, blocks: AsyncIterator[bytes], timeout: int | None
) -> int:
    """
    Send blocks of bytes in the format of the COPY; return the number of rows.

    Nothing takes effect until the server is told that they are complete.
    """
    await session.ask_marker()
    session.is_sent = False
    wire, limits = session.wire, session.limits
    async with limits.set_for_block(limits.of(timeout)):
        await wire.begin_copy(text.encode())
        try:
            async for block in blocks:
                await wire.put(block)
            session.is_sent = True
            result = await wire.end_copy(sent=True)
        except BaseException as error:
            await wire.interrupt(error)
            tell_ending(error, wire.phase, text)
            raise
    return result.command_tuples or 0


async def receive(session: Session, text: str, timeout: int | None) -> AsyncGenerator[bytes]:
    """Yield the blocks in which the server sends a COPY: in text format, each is a row."""
    await session.ask_marker()
    session.is_sent = True
    wire, limits = session.wire, session.limits
    async with limits.set_for_block(limits.of(timeout)):
        await wire.begin_copy(text.encode())
        try:
            while (piece := await wire.take()) is not None:
                yield piece
            await wire.end_copy(sent=False)
        except BaseException as error:
            await wire.interrupt(error)
            raise
