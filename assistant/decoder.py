"""The language model in memory: what it has read, and which token comes next.

A `Decoder` holds one conversation. It reads a prompt, but nothing of it that it has read already; it writes token by
token; and it keeps what it has read in a file. It knows nothing of HTTP, nor of what is asked. It is ik_llama.cpp, a
llama.cpp that repacks the weights for the processor and then reads twice as fast (CONTRIBUTING, "The engine"). Of its
package only the C interface is used: the rest has no adapters, and forgets what it has read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ik_llama_cpp import _ctypes_api as llama

BATCH_TOKENS = 128
"""So many tokens are read at once; before each batch one can be called off. More at once is not faster."""
REUSE_TOKENS = 16
"""Shortest run of tokens that is taken over from elsewhere in what was read, and moved to its new place."""
GUESS_AFTER, GUESSED_TOKENS = 3, 2
"""After three tokens that stood somewhere before, so many are guessed: to read three takes as long as to write 1.5."""

_POINTER, _INT, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_size_t, ctypes.c_char_p
_FUNCTIONS: dict[str, tuple[Sequence[Any], Any]] = {
    "llama_lora_adapter_init": ((_POINTER, _TEXT), _POINTER),
    "llama_lora_adapter_set": ((_POINTER, _POINTER, ctypes.c_float), _INT),
    "llama_lora_adapter_clear": ((_POINTER,), None),
    "llama_kv_cache_seq_rm": ((_POINTER, _INT, _INT, _INT), ctypes.c_bool),
    "llama_kv_cache_seq_add": ((_POINTER, _INT, _INT, _INT, _INT), None),
    "llama_kv_cache_update": ((_POINTER,), _INT),
    "llama_kv_cache_defrag": ((_POINTER,), None),
    "llama_state_seq_save_file": ((_POINTER, _TEXT, _INT, _POINTER, _SIZE), _SIZE),
    "llama_state_seq_load_file": ((_POINTER, _TEXT, _INT, _POINTER, _SIZE, _POINTER), _SIZE),
    "llama_model_chat_template": ((_POINTER, _TEXT), _TEXT),
    "llama_chat_apply_template": ((_TEXT, _POINTER, _SIZE, ctypes.c_bool, _TEXT, _INT), _INT),
}
"""What llama.h has and the package does not: the arguments of a function, and what it returns."""
_NO_ROOM_IN_ONE_PIECE = 1
"""What llama_decode returns where enough tokens are free, but not side by side."""


class _Message(ctypes.Structure):
    _fields_ = (("role", _TEXT), ("content", _TEXT))


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was written."""

    number: int
    """Its place in the vocabulary."""
    text: bytes
    """UTF-8; a character may be spread over several tokens."""
    log_probabilities: npt.NDArray[np.float32]
    """Of every token of the vocabulary in this place."""
    ends: bool
    """With it the model ends its turn."""


class Decoder:
    """A model, what it has read, and an adapter that works from certain words on."""

    def __init__(self, model: Path, room: int, threads: int, adapter: Path | None = None, invocation: str = "") -> None:
        """Load the model, with room for so many tokens; the adapter works from the last `invocation` of a prompt on.

        Raises:
            OSError: a file cannot be loaded, or there is not enough memory.
            ValueError: the adapter has no words to work from, or the model's template for conversations is not known.
        """
        if adapter and not invocation:
            raise ValueError("an adapter works from words on, and none are given")
        self.room = room
        self._library = _library()
        llama.llama_backend_init()
        how = llama.llama_model_default_params()
        # What is repacked cannot stay mapped to the file.
        how.use_mmap, how.repack_tensors = False, True
        self._model = llama.llama_model_load_from_file(bytes(model), how)
        if not self._model:
            raise OSError(f"{model} could not be loaded")
        sizes = llama.llama_context_default_params()
        sizes.n_ctx, sizes.n_batch, sizes.n_ubatch = room, BATCH_TOKENS, BATCH_TOKENS
        sizes.n_threads = sizes.n_threads_batch = threads
        # It is slower here, and fails an assertion on some processors.
        sizes.flash_attn = False
        # What is kept from one batch for the next may be without the adapter, or with it.
        sizes.graph_reuse = False
        self._context = llama.llama_init_from_model(self._model, sizes)
        if not self._context:
            raise OSError("there is not enough memory for the language model")
        self._vocabulary: int = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self._model))
        self._batch = llama.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._adapter = self._library.llama_lora_adapter_init(self._model, bytes(adapter)) if adapter else None
        if adapter and not self._adapter:
            raise OSError(f"{adapter} could not be loaded")
        self._invocation = self.tokens(invocation) if adapter else []
        self._read: list[int] = []
        # Where something begins that is not there, it begins behind all that there is room for.
        self._adapted_from = room
        """Before it the adapter has changed nothing of what was read."""
        self._moved_from = room
        """Before it nothing stood elsewhere when it was read."""
        # A template that is not known is told now, and not with each question.
        self.conversation([("user", "?")])

    def close(self) -> None:
        """Free the memory."""
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)
        llama.llama_free_model(self._model)

    def tokens(self, text: str, *, opening: bool = False) -> list[int]:
        """Return the tokens of a text; what marks the turns of a conversation is one token each.

        `opening` puts before them what this model expects before the first word, if anything.
        """
        encoded = text.encode()
        buffer = (llama.llama_token * (len(encoded) + 8))()
        count: int = llama.llama_tokenize(self._model, encoded, len(encoded), buffer, len(buffer), opening, True)
        return list(buffer[: max(0, count)])

    def conversation(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the tokens of a conversation of (role, text), up to where the model is to reply.

        Raises:
            ValueError: the model's template for conversations is not known.
        """
        given = (_Message * len(messages))(*(_Message(role.encode(), text.encode()) for role, text in messages))
        template = self._library.llama_model_chat_template(self._model, None)
        buffer = ctypes.create_string_buffer(1024 + sum(256 + 4 * len(text) for _, text in messages))
        length = self._library.llama_chat_apply_template(template, given, len(messages), True, buffer, len(buffer))
        if not 0 < length <= len(buffer):
            raise ValueError("the model's template for conversations is not known")
        return self.tokens(buffer.raw[:length].decode(), opening=True)

    def read(self, prompt: Sequence[int], wanted: Callable[[], bool], *, apart: bool = False) -> bool:
        """Read a prompt, and return whether it was wanted to its end; `wanted` is asked before each batch.

        What it begins with is not read again; unless `apart`, neither are runs of tokens that stood elsewhere.

        Raises:
            RuntimeError: the model could not go on.
            ValueError: there is nothing to read.
        """
        if not prompt:
            raise ValueError("there is nothing to read")
        if not wanted():
            return False
        begin = _last_place(self._invocation, prompt)
        # The last token is read in any case, since it tells the next one.
        self._take_over(prompt[: min(begin, len(prompt) - 1)], apart=apart)
        self._adapted_from = begin if begin < len(prompt) else self.room
        for end, adapted in ((begin, False), (len(prompt), True)):
            if len(self._read) == end:
                continue
            self._adapt(adapted)
            while len(self._read) < end:
                if not wanted():
                    return False
                self._decode(prompt[len(self._read) : min(end, len(self._read) + BATCH_TOKENS)])
        return True

    def write(self) -> Iterator[Token]:
        """Yield the likeliest token each time, until the model ends its turn or its context is full.

        Raises:
            RuntimeError: the model could not go on.
        """
        token = self._next(-1)
        while True:
            yield token
            if token.ends or len(self._read) == self.room:
                return
            guessed = self._guess(token.number)
            known = len(self._read) + 1
            self._decode([token.number, *guessed], all_tell=True)
            for place, guess in enumerate([*guessed, None]):
                token = self._next(place)
                if token.ends or token.number != guess:
                    self._forget(known + place)
                    break
                yield token

    def text(self, token: int) -> bytes:
        """Return the text of a token of the vocabulary; what marks the turns of a conversation has none."""
        buffer = ctypes.create_string_buffer(256)
        length: int = llama.llama_token_to_piece(self._model, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(0, length)]

    def save(self, file: Path) -> None:
        """Keep what was read without the adapter.

        Raises:
            OSError: it could not be written.
        """
        self._forget(self._adapted_from)
        tokens = (llama.llama_token * len(self._read))(*self._read)
        if not self._library.llama_state_seq_save_file(self._context, bytes(file), 0, tokens, len(tokens)):
            raise OSError(f"{file} could not be written")

    def restore(self, file: Path) -> None:
        """Go back to what was kept in a file.

        Raises:
            OSError: it could not be read; nothing counts as read then.
        """
        self._forget(0)
        tokens, count = (llama.llama_token * self.room)(), _SIZE()
        if not self._library.llama_state_seq_load_file(
            self._context, bytes(file), 0, tokens, len(tokens), ctypes.byref(count)
        ):
            self._forget(0)
            raise OSError(f"{file} could not be read")
        self._read = list(tokens[: count.value])

    def _take_over(self, prompt: Sequence[int], *, apart: bool) -> None:
        """Keep what the prompt shares with what was read, where the prompt has it, and forget the rest."""
        self._forget(min(self._adapted_from, self._moved_from) if apart else self._adapted_from)
        kept = 0
        for place, run in shared_runs(self._read, prompt):
            if place > kept and apart:
                break
            if place > kept:
                self._library.llama_kv_cache_seq_rm(self._context, 0, kept, place)
                self._library.llama_kv_cache_seq_add(self._context, 0, place, place + run, kept - place)
                self._read[kept : kept + run] = self._read[place : place + run]
                self._moved_from = min(self._moved_from, kept)
            kept += run
        self._forget(kept)
        # What was moved is computed anew for its place, before anything else can happen to it.
        if self._library.llama_kv_cache_update(self._context):
            self._forget(0)

    def _forget(self, kept: int) -> None:
        """Forget all that was read but so many tokens, or everything where the model cannot forget a part."""
        if not self._library.llama_kv_cache_seq_rm(self._context, 0, kept, -1):
            llama.llama_kv_cache_clear(self._context)
            kept = 0
        del self._read[kept:]
        self._adapted_from = self._adapted_from if self._adapted_from < kept else self.room
        self._moved_from = self._moved_from if self._moved_from < kept else self.room

    def _adapt(self, wanted: bool) -> None:  # noqa: FBT001
        self._library.llama_lora_adapter_clear(self._context)
        if wanted and self._library.llama_lora_adapter_set(self._context, self._adapter, 1.0):
            raise RuntimeError("the adapter could not be used")

    def _guess(self, token: int) -> list[int]:
        """Return what may come after a token: what came where the last tokens stood before, mostly in the article."""
        end = [*self._read[1 - GUESS_AFTER :], token]
        room = min(GUESSED_TOKENS, self.room - len(self._read) - 1)
        for place in range(len(self._read) - GUESS_AFTER, -1, -1):
            if self._read[place : place + GUESS_AFTER] == end:
                return self._read[place + GUESS_AFTER :][:room]
        return []

    def _decode(self, tokens: Sequence[int], *, all_tell: bool = False) -> None:
        """Read tokens; the last one tells what comes next, or each of them."""
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place] = token
            batch.pos[place] = len(self._read) + place
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = 0
            batch.logits[place] = all_tell or place == len(tokens) - 1
        failed = llama.llama_decode(self._context, batch)
        if failed == _NO_ROOM_IN_ONE_PIECE:
            self._library.llama_kv_cache_defrag(self._context)
            failed = llama.llama_decode(self._context, batch)
        if failed:
            raise RuntimeError(f"llama_decode returned {failed}")
        self._read += tokens

    def _next(self, place: int) -> Token:
        """Return the likeliest token after that in a place of the last batch."""
        pointer = llama.llama_get_logits_ith(self._context, place)
        if not pointer:
            raise RuntimeError("the model tells no next token")
        scores = np.ctypeslib.as_array(pointer, (self._vocabulary,))
        number = int(scores.argmax())
        relative = scores - scores[number]
        probabilities = relative - np.log(np.exp(relative).sum())
        ends = bool(llama.llama_token_is_eog(self._model, number))
        return Token(number, b"" if ends else self.text(number), probabilities, ends)


def _library() -> Any:  # noqa: ANN401 - ctypes has no types for it
    """Return the library with all the functions that are needed."""
    library = llama._lib  # noqa: SLF001 - the package offers no other way to what it leaves out
    for name, (arguments, result) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return library


def shared_runs(read: Sequence[int], prompt: Sequence[int]) -> list[tuple[int, int]]:
    """Return where the tokens that a prompt begins with stood in what was read, run by run: (place, length).

    The first run is what both begin with. Each other one is of at least `REUSE_TOKENS` and stood behind the one before.
    """
    run = _same(read, prompt)
    runs, known, place = [(0, run)], run, run
    while place < len(read) and known < len(prompt):
        run = _same(read[place : place + len(prompt) - known], prompt[known:]) if read[place] == prompt[known] else 0
        if run >= REUSE_TOKENS:
            runs.append((place, run))
            known += run
        place += run if run >= REUSE_TOKENS else 1
    return runs


def _same(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    pairs = zip(first, second, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _last_place(words: Sequence[int], prompt: Sequence[int]) -> int:
    """Return where a prompt has these tokens for the last time; its length where it has them not, or none are given."""
    for place in range(len(prompt) - len(words), -1, -1):
        if words and list(prompt[place : place + len(words)]) == list(words):
            return place
    return len(prompt)
