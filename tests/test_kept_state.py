"""The keys and values of what a model has read: excerpts of them, and files that are none."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.kept_state import KeptState, Rotation

LAYERS, HEADS, HEAD = 2, 2, 8


def state(length: int, seed: int = 0) -> KeptState:
    """Return what a small model may have read."""
    rng = np.random.default_rng(seed)
    keys = tuple(rng.standard_normal((length, HEADS * HEAD)).astype(np.float16) for _ in range(LAYERS))
    values = tuple(rng.standard_normal((HEADS * HEAD, length)).astype(np.float16) for _ in range(LAYERS))
    return KeptState(tuple(range(length)), keys, values)


def file(tokens: list[int], data: bytes | bytearray) -> bytes:
    """Return the file of a state."""
    return struct.pack("<4sII", b"qsgg", 3, len(tokens)) + np.array(tokens, "<i4").tobytes() + data


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Draw runs of twenty tokens, each behind the one before."""
    ends = sorted(draw(st.sets(st.integers(0, 20), min_size=2, max_size=8)))
    pairs = [(begin, end - begin) for begin, end in itertools.pairwise(ends)]
    return draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True).map(sorted))


@given(runs(), st.booleans())
def test_an_excerpt_has_the_values_of_its_runs_and_their_keys_turned(
    chosen: list[tuple[int, int]],
    halves: bool,  # noqa: FBT001
) -> None:
    """Each token's values are as they were; its keys are turned back by as far as it was moved."""
    whole, rotation = state(20), Rotation(100.0, HEAD, HEAD, halves)
    places = [place + offset for place, length in chosen for offset in range(length)]
    part = KeptState.of_data(places, whole.excerpt(chosen, rotation))
    for old, new in zip(whole.values, part.values, strict=True):
        assert np.array_equal(new, old[:, places])
    for old, new in zip(whole.keys, part.keys, strict=True):
        for known, place in enumerate(places):
            turned = rotation.turned(new[known].reshape(HEADS, HEAD), place - known)
            assert turned.reshape(-1) == pytest.approx(old[place], abs=0.01)


@given(st.integers(-500, 500), st.integers(-500, 500), st.booleans())
def test_how_alike_two_keys_are_depends_on_their_distance_alone(first: int, second: int, halves: bool) -> None:  # noqa: FBT001
    """To turn both by the same changes nothing, which is why a run may be moved."""
    rotation = Rotation(10_000.0, HEAD, HEAD, halves)
    one, other = (keys[0].reshape(HEADS, HEAD) for keys in state(1).keys)
    alike = [
        float((rotation.turned(one, place + first).astype(float) * rotation.turned(other, place + second)).sum())
        for place in (0, 300)
    ]
    assert alike[0] == pytest.approx(alike[1], abs=0.05)


def test_what_is_not_turned_stays() -> None:
    """Some models turn a part of each head only."""
    keys = state(1).keys[0].reshape(HEADS, HEAD)
    turned = Rotation(100.0, HEAD, HEAD // 2, halves=True).turned(keys, 3)
    assert np.array_equal(turned[:, HEAD // 2 :], keys[:, HEAD // 2 :])
    assert not np.array_equal(turned[:, : HEAD // 2], keys[:, : HEAD // 2])


def test_a_file_is_read_as_it_was_written() -> None:
    """With its tokens."""
    whole = state(5)
    again = KeptState.of_file(file([7, 8, 9, 10, 11], whole.excerpt([(0, 5)], None)))
    assert again.tokens == (7, 8, 9, 10, 11)
    for old, new in zip(whole.keys + whole.values, again.keys + again.values, strict=True):
        assert np.array_equal(old, new)


def test_nothing_is_moved_where_it_is_not_known_how() -> None:
    """A beginning is no move."""
    whole = state(5)
    assert whole.excerpt([(0, 3)], None)
    with pytest.raises(ValueError, match="not known"):
        whole.excerpt([(0, 2), (3, 2)], None)


@example(71, 255)  # A row so long that no array can have it.
@given(st.integers(0, 400), st.integers(0, 255))
def test_whatever_is_no_file_is_refused_or_read(at: int, byte: int) -> None:
    """A damaged byte is told, or is one of the numbers; nothing else is raised."""
    content = bytearray(file([1, 2, 3], state(3).excerpt([(0, 3)], None)))
    content[at % len(content)] = byte
    for damaged in (bytes(content), bytes(content)[: at % len(content)]):
        try:
            KeptState.of_file(damaged)
        except ValueError:
            continue
