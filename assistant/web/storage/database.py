"""An SQLite file that cannot be rebuilt: made for the operator's eyes alone, of limited size, and of today's schema.

A schema is the list of all statements that led to it, the newest last. `user_version` of a file is the number of those
that it has seen, and the others are run when it is next written to. Readers take columns by their names, so that a file
of an earlier release can be read as it is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

WAIT_SECONDS = 20.0
"""How long one process waits for the others."""
_PAGE_BYTES = 4096


@contextmanager
def writing(file: Path, schema: Sequence[str], most_bytes: int) -> Iterator[sqlite3.Connection]:
    """Open the file, made where it is missing, and take up what the block did unless it fails.

    Raises:
        sqlite3.Error: the file is full or damaged, or the disk full.
        OSError: the file cannot be made.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # What readers wrote is for the operator's eyes alone.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(file, timeout=WAIT_SECONDS)) as database, database:
        database.execute("PRAGMA secure_delete = ON")  # What is erased is not left in the file.
        database.execute(f"PRAGMA max_page_count = {most_bytes // _PAGE_BYTES}")
        # A transaction that reads first and then writes fails at once where another one writes.
        database.execute("BEGIN IMMEDIATE")
        (seen,) = database.execute("PRAGMA user_version").fetchone()
        for statement in schema[seen:]:
            database.execute(statement)
        if seen < len(schema):
            database.execute(f"PRAGMA user_version = {len(schema)}")
        yield database


def add(opened: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    """Add a row, by the names of its columns, in place of one of the same number; return its number."""
    names = ", ".join(row)
    values = f"VALUES (:{names.replace(', ', ', :')})"
    return opened.execute(f"INSERT OR REPLACE INTO {table} ({names}) {values}", row).lastrowid or 0


def rows(file: Path, query: str, *values: object, wait: float = WAIT_SECONDS) -> Iterator[sqlite3.Row]:
    """Yield what is found; nothing where there is no file yet, or one in which nothing was ever kept.

    Raises:
        sqlite3.Error: the file is damaged, or another process has it for longer than `wait` seconds.
        OSError: its folder cannot be looked at.
    """
    if not file.exists():
        return
    # Not read-only: a journal that a killed process left must be put back first.
    address = f"{file.resolve().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=wait)) as database:
        database.row_factory = sqlite3.Row
        if database.execute("SELECT 1 FROM sqlite_master").fetchone():
            yield from database.execute(query, values)
