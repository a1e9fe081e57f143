"""Tokens by day: they are counted by several processes, survive a restart, and a budget ends with the day."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.model.usage import Day, Ledger, Price
from assistant.settings import PROJECT
from assistant.types import Usage

CALL = Usage(calls=1, read=90, cached=60, written=10)
TODAY = datetime.now(UTC).date().isoformat()


def test_what_many_count_at_once_is_all_there(tmp_path: Path) -> None:
    """Threads and another process add to one file, and nothing is lost."""
    ledger = Ledger(tmp_path / "tokens.sqlite3")
    other = (
        "from pathlib import Path; from assistant.model.usage import Ledger; from assistant.types import Usage;"
        f"[Ledger(Path({str(tmp_path / 'tokens.sqlite3')!r})).add(Usage(1, 90, 60, 10)) for _ in range(20)]"
    )
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ledger.add, CALL) for _ in range(20)]
        subprocess.run([sys.executable, "-c", other], check=True, cwd=PROJECT)
    assert all(each.exception() is None for each in asked)
    assert ledger.days(7) == [Day(TODAY, Usage(40, 3600, 2400, 400))]


def test_a_budget_is_spent_for_the_day_and_for_whoever_opens_the_file(tmp_path: Path) -> None:
    """What is read and written counts; on the next day there is room again."""
    ledger = Ledger(tmp_path / "tokens.sqlite3", tokens_per_day=200)
    ledger.add(CALL)
    before = ledger.is_spent
    ledger.add(CALL)
    assert (before, ledger.is_spent) == (False, True)
    assert re.fullmatch(r"\d\d:\d\d", ledger.days(1)[0].spent_at)
    assert Ledger(tmp_path / "tokens.sqlite3", tokens_per_day=200).is_spent
    another_day = datetime(2999, 1, 1, tzinfo=UTC)
    assert not Ledger(tmp_path / "tokens.sqlite3", 200, lambda: another_day).is_spent


def test_a_budget_holds_where_its_file_cannot_be_read(tmp_path: Path) -> None:
    """A damaged file, or a folder in its place, spends nothing; without a budget it does not matter."""
    damaged = tmp_path / "damaged.sqlite3"
    damaged.write_bytes(b"no database" * 1000)
    for file in (damaged, tmp_path):
        Ledger(file).add(CALL)
        assert not Ledger(file).is_spent
        assert Ledger(file, tokens_per_day=10**9).is_spent


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_money_is_what_fresh_cached_and_written_tokens_cost(fresh: int, cached: int, written: int) -> None:
    """A million of each costs its price, and the sum of two usages costs the sum."""
    price = Price(0.40, 0.10, 1.60)
    took = Usage(1, fresh + cached, cached, written)
    assert price.of(took) == pytest.approx((0.40 * fresh + 0.10 * cached + 1.60 * written) / 1e6)
    assert price.of(took + CALL) == pytest.approx(price.of(took) + price.of(CALL))
