"""ik_llama.cpp, as far as it is used: a loaded model, its tokens, and what it has read of them.

Everything that touches the library's C interface is here; `tests/model/test_engine_library.py` names what is relied on.
Its package declares a part of that interface in a private module; the rest of llama.h is declared below. Nothing here
knows of prompts, articles or requests.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ik_llama_cpp import _ctypes_api as llama

from assistant.model.probes import State

BATCH_TOKENS = 128
"""So many tokens are computed at once; more at once is not faster."""

_POINTER, _INT, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_size_t, ctypes.c_char_p
FUNCTIONS: dict[str, tuple[Sequence[Any], Any]] = {
    "llama_lora_adapter_init": ((_POINTER, _TEXT), _POINTER),
    "llama_lora_adapter_set": ((_POINTER, _POINTER, ctypes.c_float), _INT),
    "llama_lora_adapter_clear": ((_POINTER,), None),
    "llama_get_embeddings_ith": ((_POINTER, _INT), ctypes.POINTER(ctypes.c_float)),
    "llama_kv_cache_seq_add": ((_POINTER, _INT, _INT, _INT, _INT), None),
    "llama_kv_cache_seq_rm": ((_POINTER, _INT, _INT, _INT), ctypes.c_bool),
    "llama_state_seq_save_file": ((_POINTER, _TEXT, _INT, _POINTER, _SIZE), _SIZE),
    "llama_state_seq_load_file": ((_POINTER, _TEXT, _INT, _POINTER, _SIZE, _POINTER), _SIZE),
    "llama_model_chat_template": ((_POINTER, _TEXT), _TEXT),
    "llama_sampler_init_grammar": ((_POINTER, _TEXT, _TEXT), _POINTER),
    "llama_grammar_sample": ((_POINTER, _POINTER, _POINTER), None),
    "llama_grammar_accept_token": ((_POINTER, _POINTER, _INT), None),
    "llama_grammar_free": ((_POINTER,), None),
    "llama_chat_apply_template": ((_TEXT, _POINTER, _SIZE, ctypes.c_bool, _TEXT, _INT), _INT),
}
"""What llama.h has and the package does not declare: the arguments of a function, and what it returns."""
_SEQUENCE = 0
"""The library holds several sequences of tokens side by side; here there is one."""
_PLACE = "\x01"
"""Where a text of a conversation goes: no template has this character."""
_CHECKSUM_BYTES = 4
_FEW_CANDIDATES = 32
"""So many of the likeliest tokens are tried against a grammar before all are."""

Scores = npt.NDArray[np.float32]
"""How well each token of the vocabulary would come next."""


class _Message(ctypes.Structure):
    _fields_ = (("role", _TEXT), ("content", _TEXT))


class LoadedModel:
    """A model in memory, which has read some tokens; for one thread."""

    def __init__(self, model: Path, room: int, threads: int, adapters: Sequence[Path] = ()) -> None:
        """Load the model, with room for so many tokens, and the adapters.

        Raises:
            OSError: a file cannot be loaded, or there is not enough memory.
        """
        self.room = room
        self._intact: tuple[Path, int] | None = None
        """The file that was checked last, and when it was written, in nanoseconds."""
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
        sizes.n_seq_max = 1
        sizes.n_threads = sizes.n_threads_batch = threads
        # It is slower here, and fails an assertion on some processors.
        sizes.flash_attn = False
        # If a larger share of the KV cache is holes, its cells are moved together: a search goes through all up to the
        # last one.
        sizes.defrag_thold = 0.15
        # The graph of one batch may be without an adapter and that of the next with one.
        sizes.graph_reuse = False
        self._context = llama.llama_init_from_model(self._model, sizes)
        if not self._context:
            raise OSError("there is not enough memory for the language model")
        self._vocab = llama.llama_model_get_vocab(self._model)
        self._vocabulary: int = llama.llama_vocab_n_tokens(self._vocab)
        self._width: int = llama.llama_model_n_embd(self._model)
        self._batch = llama.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._adapters = [self._library.llama_lora_adapter_init(self._model, bytes(file)) for file in adapters]
        if not all(self._adapters):
            raise OSError(f"{adapters[self._adapters.index(None)]} could not be loaded")

    def close(self) -> None:
        """Free the memory."""
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)
        llama.llama_free_model(self._model)

    def tokens(self, text: str, *, opening: bool = False, marks: bool = False) -> list[int]:
        """Return the tokens of a text.

        `opening` puts before them what this model expects before the first word, if anything. With `marks`, what marks
        the turns of a conversation is one token each; without, it is text like any other.
        """
        encoded = text.encode()
        buffer = (llama.llama_token * (len(encoded) + 8))()
        count: int = llama.llama_tokenize(self._model, encoded, len(encoded), buffer, len(buffer), opening, marks)
        return list(buffer[: max(0, count)])

    def prompt(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the tokens of a conversation of (role, text), up to where the model is to reply.

        Only the template marks turns: strangers wrote the texts, and could forge one.

        Raises:
            ValueError: the model's template for conversations is not known.
        """
        template = self._template([role for role, _ in messages]).split(_PLACE)
        tokens, plain = self.tokens("", opening=True), ""
        for part, text in zip(template, [*(text for _, text in messages), ""], strict=True):
            for mark in (token for token in self.tokens(part, marks=True) if not self.text(token)):
                before, _, part = part.partition(self._piece(mark, marks=True).decode())  # noqa: PLW2901 - what is left
                tokens += [*self.tokens(plain + before), mark]
                plain = ""
            plain += part + text
        return tokens + self.tokens(plain)

    def _template(self, roles: Sequence[str]) -> str:
        """Return a conversation up to where the model is to reply, with `_PLACE` for each text."""
        given = (_Message * len(roles))(*(_Message(role.encode(), _PLACE.encode()) for role in roles))
        template = self._library.llama_model_chat_template(self._model, None)
        buffer = ctypes.create_string_buffer(1024 + 256 * len(roles))
        length = self._library.llama_chat_apply_template(template, given, len(roles), True, buffer, len(buffer))
        if not 0 < length <= len(buffer):
            raise ValueError("the model's template for conversations is not known")
        return buffer.raw[:length].decode()

    def text(self, token: int) -> bytes:
        """Return the text of a token of the vocabulary; what marks the turns of a conversation has none."""
        return self._piece(token, marks=False)

    def _piece(self, token: int, *, marks: bool) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        length: int = llama.llama_token_to_piece(self._model, token, buffer, len(buffer), 0, marks)
        return buffer.raw[: max(0, length)]

    def is_end(self, token: int) -> bool:
        """Whether the model ends its turn with this token."""
        return bool(llama.llama_token_is_eog(self._model, token))

    def compute(
        self, tokens: Sequence[int], place: int, *, adapter: int | None = None, all_tell: bool = False
    ) -> list[Scores]:
        """Read at most `BATCH_TOKENS` from a place on, and return the scores of the next token.

        They are those after the last one, or after each where `all_tell`; `adapter` is the number of one that works.

        Raises:
            RuntimeError: there is no room for them, or the model could not go on.
        """
        self._decode(tokens, place, adapter, all_tell=all_tell)
        return [self._scores(at) for at in range(len(tokens)) if all_tell or at == len(tokens) - 1]

    def state(self, token: int, place: int, *, adapter: int | None = None) -> State:
        """Read one token, and return what the last layer makes of it and of all before it.

        Raises:
            RuntimeError: there is no room for it, or the model could not go on.
        """
        llama.llama_set_embeddings(self._context, True)
        try:
            self._decode([token], place, adapter)
            pointer = self._library.llama_get_embeddings_ith(self._context, 0)
            if not pointer:
                raise RuntimeError("the model tells nothing of what it read")
            return np.ctypeslib.as_array(pointer, (self._width,)).copy()
        finally:
            llama.llama_set_embeddings(self._context, False)

    def _decode(self, tokens: Sequence[int], place: int, adapter: int | None, *, all_tell: bool = False) -> None:
        batch = self._batch
        batch.n_tokens = len(tokens)
        for at, token in enumerate(tokens):
            batch.token[at] = token
            batch.pos[at] = place + at
            batch.n_seq_id[at] = 1
            batch.seq_id[at][0] = _SEQUENCE
            batch.logits[at] = all_tell or at == len(tokens) - 1
        self._library.llama_lora_adapter_clear(self._context)
        if adapter is not None and self._library.llama_lora_adapter_set(self._context, self._adapters[adapter], 1.0):
            raise RuntimeError("the adapter could not be used")
        if failed := llama.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode returned {failed}")

    def grammar(self, rules: str) -> int:
        """Return a grammar of llama.cpp's notation GBNF, which knows how far a reply is; `free_grammar` ends it.

        Raises:
            ValueError: the rules are no grammar.
        """
        grammar: int | None = self._library.llama_sampler_init_grammar(self._vocab, rules.encode(), b"root")
        if not grammar:
            raise ValueError("the grammar cannot be read")
        return grammar

    def free_grammar(self, grammar: int) -> None:
        """Free the memory of a grammar."""
        self._library.llama_grammar_free(grammar)

    def choose(self, grammar: int, scores: Scores) -> int:
        """Return the likeliest token that a grammar allows next, and take it as written.

        Raises:
            RuntimeError: it allows none.
        """
        order = np.argsort(-scores)
        for tokens in (order[:_FEW_CANDIDATES], order):
            each = (llama.llama_token_data * len(tokens))(*((int(token), 0.0, 0.0) for token in tokens))
            candidates = llama.llama_token_data_array(each, len(tokens), -1, False)
            # What is not allowed gets a score of minus infinity.
            self._library.llama_grammar_sample(grammar, self._context, ctypes.byref(candidates))
            if allowed := [candidate.id for candidate in each if candidate.logit == 0.0]:
                self._library.llama_grammar_accept_token(grammar, self._context, allowed[0])
                return int(allowed[0])
        raise RuntimeError("the grammar allows no token")

    def forget(self, begin: int = 0) -> bool:
        """Forget what was read from a place on; return whether the model can (some can forget only all)."""
        return bool(self._library.llama_kv_cache_seq_rm(self._context, _SEQUENCE, begin, -1))

    def cut_out(self, begin: int, end: int) -> None:
        """Forget what was read between two places; what stands behind them moves up, as if it had stood there.

        The library turns its keys with the next batch, for all cuts at once.
        """
        self._library.llama_kv_cache_seq_rm(self._context, _SEQUENCE, begin, end)
        self._library.llama_kv_cache_seq_add(self._context, _SEQUENCE, end, -1, begin - end)

    def save(self, file: Path, tokens: Sequence[int]) -> None:
        """Keep what was read, which is these tokens, in a file; one that is there is replaced.

        Raises:
            OSError: it could not be written.
        """
        partial = file.with_suffix(".partial")
        given = (llama.llama_token * len(tokens))(*tokens)
        if not self._library.llama_state_seq_save_file(self._context, bytes(partial), _SEQUENCE, given, len(given)):
            partial.unlink(missing_ok=True)
            raise OSError(f"{file} could not be written")
        with partial.open("r+b") as written:
            written.write(_checksum(written.read()))
        partial.replace(file)

    def load(self, file: Path) -> list[int]:
        """Have read what was kept in a file, and nothing else, and return its tokens.

        Raises:
            OSError: it could not be read; then nothing was read.
        """
        self.forget()
        if self._intact != (intact := (file, file.stat().st_mtime_ns)):
            content = file.read_bytes()
            # The library would abort the process on some damaged files, and compute with others.
            if content[-_CHECKSUM_BYTES:] != _checksum(content[:-_CHECKSUM_BYTES]):
                raise OSError(f"{file} is damaged")
            self._intact = intact
        buffer, count = (llama.llama_token * self.room)(), ctypes.c_size_t()
        how = (self._context, bytes(file), _SEQUENCE, buffer, len(buffer), ctypes.byref(count))
        if not self._library.llama_state_seq_load_file(*how):
            self.forget()
            raise OSError(f"{file} could not be read")
        return list(buffer[: count.value])

    def _scores(self, at: int) -> Scores:
        pointer = llama.llama_get_logits_ith(self._context, at)
        if not pointer:
            raise RuntimeError("the model tells no next token")
        return np.ctypeslib.as_array(pointer, (self._vocabulary,)).copy()


def _library() -> Any:  # noqa: ANN401 - ctypes has no types for it
    """Return the library with all the functions that are needed."""
    library = llama._lib  # noqa: SLF001 - the package offers no other way to what it leaves out
    for name, (arguments, result) in FUNCTIONS.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return library


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")
