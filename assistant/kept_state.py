"""What a language model has read: the keys and values of each token, in the library's own format, and excerpts of it.

An excerpt has some runs of the tokens side by side, as if they had stood so: their keys are turned to their new places
(rotary embeddings, Su et al., arXiv:2104.09864, equation 34: to turn by the distance is all it takes), and their values
stay. The library can move tokens too, but turns the keys of all that there is room for, and cannot copy. Knows files of
ik_llama.cpp (version 3) with one sequence whose values lie transposed, which is where there is no flash attention;
whatever else it is given it refuses.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAGIC, VERSION = b"qsgg", 3
_HALF = 1
"""How the format calls numbers of 16 bits."""
_LAYER_BYTES = 12
"""What it tells of a layer before its numbers."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How the keys of a model are turned by their places."""

    base: float
    head: int
    """So many numbers a head has."""
    size: int
    """So many of them are turned, the first ones."""
    halves: bool
    """Whether the partner of a number is half of them away (NeoX), or its neighbour."""

    def turned(self, keys: npt.NDArray[np.float16], distance: int) -> npt.NDArray[np.float32]:
        """Return keys, of shape (…, numbers of a head), as they are so many places further on."""
        half = self.size // 2
        angles = distance * self.base ** (-np.arange(half, dtype=np.float64) / half)
        cosine, sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        result = keys.astype(np.float32)
        first, second = (
            (slice(0, half), slice(half, self.size))
            if self.halves
            else (slice(0, self.size, 2), slice(1, self.size, 2))
        )
        one, other = result[..., first].copy(), result[..., second].copy()
        result[..., first] = one * cosine - other * sine
        result[..., second] = one * sine + other * cosine
        return result


@dataclass(frozen=True, slots=True)
class KeptState:
    """The keys and values of tokens that stand side by side from place 0 on."""

    tokens: tuple[int, ...]
    keys: tuple[npt.NDArray[np.float16], ...]
    """Of each layer, of shape (tokens, numbers)."""
    values: tuple[npt.NDArray[np.float16], ...]
    """Of each layer, of shape (numbers, tokens)."""

    @classmethod
    def of_file(cls, content: bytes) -> KeptState:
        """Return what `llama_state_seq_save_file` wrote.

        Raises:
            ValueError: it did not, or another version of it did.
        """
        try:
            magic, version, count = struct.unpack_from("<4sII", content)
            if (magic, version) != (MAGIC, VERSION):
                raise ValueError("another format")
            tokens = np.frombuffer(content, "<i4", count, 12)
        except struct.error as error:
            raise ValueError("no header") from error
        return cls.of_data(tokens.tolist(), memoryview(content)[12 + 4 * count :])

    @classmethod
    def of_data(cls, tokens: Sequence[int], data: bytes | bytearray | memoryview) -> KeptState:
        """Return what `llama_state_seq_get_data` tells of these tokens.

        Raises:
            ValueError: it is of other tokens, or has another layout.
        """
        try:
            return cls._of_data(tokens, data)
        except (struct.error, OverflowError) as error:
            raise ValueError("it ends before what it tells of") from error

    @classmethod
    def _of_data(cls, tokens: Sequence[int], data: bytes | bytearray | memoryview) -> KeptState:
        (count,) = struct.unpack_from("<I", data)
        cells = np.frombuffer(data, "<i4", 2 * count, 4).reshape(count, 2)
        if count != len(tokens) or not np.array_equal(cells[:, 0], np.arange(count)) or cells[:, 1].any():
            raise ValueError("other tokens")
        at = 4 + 8 * count
        transposed, layers = struct.unpack_from("<II", data, at)
        at += 8
        if transposed != 1:
            raise ValueError("values that are not transposed")
        keys, values = [], []
        for _ in range(layers):
            kind, row = struct.unpack_from("<iQ", data, at)
            if kind != _HALF:
                raise ValueError("keys that are not of 16 bits")
            keys.append(np.frombuffer(data, "<f2", count * row // 2, at + _LAYER_BYTES).reshape(count, row // 2))
            at += _LAYER_BYTES + count * row
        for _ in range(layers):
            kind, size, numbers = struct.unpack_from("<iII", data, at)
            if (kind, size) != (_HALF, 2):
                raise ValueError("values that are not of 16 bits")
            values.append(np.frombuffer(data, "<f2", numbers * count, at + _LAYER_BYTES).reshape(numbers, count))
            at += _LAYER_BYTES + numbers * count * size
        if bytes(data[at:]) != bytes(4):
            raise ValueError("something behind the values")
        return cls(tuple(tokens), tuple(keys), tuple(values))

    def excerpt(self, runs: Sequence[tuple[int, int]], rotation: Rotation | None) -> bytearray:
        """Return runs of tokens, given as (place, length), side by side, as `llama_state_seq_set_data` takes them.

        Raises:
            ValueError: it is not known how keys are turned, and some have to be.
        """
        count = sum(length for _, length in runs)
        cells = np.zeros((count, 2), "<i4")
        cells[:, 0] = np.arange(count)
        begin = struct.pack("<I", count) + cells.tobytes() + struct.pack("<II", 1, len(self.keys))
        numbers = count * (sum(layer.shape[1] for layer in self.keys) + sum(len(layer) for layer in self.values))
        # All is written to its place in here: to put it together from parts took as long as to turn the keys.
        data = bytearray(len(begin) + _LAYER_BYTES * (len(self.keys) + len(self.values)) + 2 * numbers + 4)
        data[: len(begin)] = begin
        at = len(begin)
        for layer in self.keys:
            struct.pack_into("<iQ", data, at, _HALF, 2 * layer.shape[1])
            keys = np.frombuffer(data, "<f2", layer.shape[1] * count, at + _LAYER_BYTES).reshape(count, -1)
            _put_side_by_side(layer, runs, rotation, keys)
            at += _LAYER_BYTES + keys.nbytes
        for layer in self.values:
            struct.pack_into("<iII", data, at, _HALF, 2, len(layer))
            values = np.frombuffer(data, "<f2", len(layer) * count, at + _LAYER_BYTES).reshape(-1, count)
            np.concatenate([layer[:, place : place + length] for place, length in runs], axis=1, out=values)
            at += _LAYER_BYTES + values.nbytes
        return data


def _put_side_by_side(
    layer: npt.NDArray[np.float16],
    runs: Sequence[tuple[int, int]],
    rotation: Rotation | None,
    into: npt.NDArray[np.float16],
) -> None:
    """Put the keys of these runs of a layer into another, turned to their new places."""
    known = 0
    for place, length in runs:
        run, there = layer[place : place + length], into[known : known + length]
        if place == known:
            there[:] = run
        elif rotation is None:
            raise ValueError("it is not known how keys are turned")
        else:
            heads = run.reshape(length, -1, rotation.head)
            there[:] = rotation.turned(heads, known - place).reshape(run.shape)
        known += length
