"""The language model in memory: what it has read, and which token comes next.

A `Decoder` holds some conversations side by side. A `Conversation` reads a prompt, but nothing of it that it has read
already; it writes token by token; and it keeps what it has read in a file. What several want at the same time is
computed together, which takes less than one after the other. Nothing here knows of HTTP, nor of what is asked. It is
ik_llama.cpp, a llama.cpp that repacks the weights for the processor and then reads twice as fast (CONTRIBUTING, "The
engine"). Of its package only the C interface is used: the rest has no adapters, and forgets what it has read.

Tokens that stood elsewhere in what was read, or in what was kept, are taken over as `kept_state` moves them: each
conversation has its own of them, side by side, so that little room is taken and looked through.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from ik_llama_cpp import _ctypes_api as llama

from assistant.kept_state import KeptState, Rotation

BATCH_TOKENS = 128
"""So many tokens are read at once; before each batch one can be called off. More at once is not faster."""
SHARED_TOKENS = 48
"""So many where several conversations want something, so that whoever writes does not wait long for whoever reads."""
REUSE_TOKENS = 16
"""Shortest run of tokens that is taken over from elsewhere in what was read."""
TOGETHER_SECONDS = 0.005
"""So long the others are waited for who had a part in the last batch, and will want the next token in a moment."""
GUESS_AFTER, GUESSED_TOKENS = 3, 2
"""After three tokens that stood somewhere before, so many are guessed: to read three takes as long as to write 1.5."""

_POINTER, _INT, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_size_t, ctypes.c_char_p
_FUNCTIONS: dict[str, tuple[Sequence[Any], Any]] = {
    "llama_lora_adapter_init": ((_POINTER, _TEXT), _POINTER),
    "llama_lora_adapter_set": ((_POINTER, _POINTER, ctypes.c_float), _INT),
    "llama_lora_adapter_clear": ((_POINTER,), None),
    "llama_kv_cache_seq_rm": ((_POINTER, _INT, _INT, _INT), ctypes.c_bool),
    "llama_kv_cache_update": ((_POINTER,), _INT),
    "llama_kv_cache_defrag": ((_POINTER,), None),
    "llama_state_seq_save_file": ((_POINTER, _TEXT, _INT, _POINTER, _SIZE), _SIZE),
    "llama_state_seq_get_size": ((_POINTER, _INT, _INT), _SIZE),
    "llama_state_seq_get_data": ((_POINTER, _POINTER, _SIZE, _INT, _INT), _SIZE),
    "llama_state_seq_set_data": ((_POINTER, _POINTER, _SIZE, _INT, _INT), _SIZE),
    "llama_rope_type": ((_POINTER,), _INT),
    "llama_model_meta_val_str": ((_POINTER, _TEXT, _POINTER, _SIZE), _INT),
    "llama_model_chat_template": ((_POINTER, _TEXT), _TEXT),
    "llama_chat_apply_template": ((_TEXT, _POINTER, _SIZE, ctypes.c_bool, _TEXT, _INT), _INT),
}
"""What llama.h has and the package does not: the arguments of a function, and what it returns."""
_NO_ROOM_IN_ONE_PIECE = 1
"""What llama_decode returns where not so many cells are free side by side."""
_NORMAL, _NEOX = 0, 2
"""How llama.h calls the two ways in which the keys of a model are turned by their places."""

_Scores = npt.NDArray[np.float32]
_T = TypeVar("_T")


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


class _NoRoomError(RuntimeError):
    """What a conversation was to begin with has no room, or is not of the model's kind; nothing is left of it."""


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """What a conversation is to begin with."""

    tokens: list[int]
    data: bytearray
    """Their keys and values, as the library takes them."""
    moved_from: int
    """Before it nothing stood elsewhere when it was read."""


@dataclass(eq=False, slots=True)
class _Step:
    """What a conversation wants computed next."""

    conversation: Conversation
    tokens: Sequence[int]
    after: int
    """So many tokens stand before them; what was read beyond those is forgotten."""
    adapted: bool
    all_tell: bool
    """What comes next is wanted after each of the tokens, so they are computed in one go; else after the last one."""
    excerpt: _Excerpt | None = None
    """What stands before them, where it is not there yet: it is put there with them, and needs no turn of its own."""
    done: Future[list[_Scores]] = field(default_factory=Future)
    """After those tokens that were computed (the first ones), how well each token of the vocabulary would come next."""


class Decoder:
    """A model, and an adapter that works from certain words on; each conversation is for one thread at a time."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an engine is started with
        self,
        model: Path,
        room: int,
        threads: int,
        adapter: Path | None = None,
        invocation: str = "",
        conversations: int = 1,
    ) -> None:
        """Load the model, each conversation with room for so many tokens.

        There is room for twice as many in all, since few are ever full. The adapter works from the last `invocation` of
        a prompt on.

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
        sizes.n_ctx, sizes.n_batch, sizes.n_ubatch = 2 * room, BATCH_TOKENS, BATCH_TOKENS
        sizes.n_seq_max = conversations
        sizes.n_threads = sizes.n_threads_batch = threads
        # It is slower here, and fails an assertion on some processors.
        sizes.flash_attn = False
        # With more holes than that among them the cells are moved together: all up to the last one are looked through.
        sizes.defrag_thold = 0.15
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
        self.invocation = self.tokens(invocation) if adapter else []
        self.rotation = self._rotation()
        """How keys are turned; None where it is not known, and nothing can be moved."""
        self._kept: tuple[Path, KeptState] | None = None
        self._prompts = 0
        self._computing = ThreadPoolExecutor(1, "computing")
        """The thread that has the context: those that help it compute stay with it, and a new one has none."""
        self._changed = threading.Condition()
        self._steps: list[_Step] = []
        self._expected = 0
        """So many conversations had a part in the last batch, or wanted one meanwhile."""
        self.conversations = tuple(Conversation(self, sequence) for sequence in range(conversations))
        # A template that is not known is told now, and not with each question.
        self.prompt([("user", "?")])

    def close(self) -> None:
        """Free the memory, as soon as nothing is being computed."""
        self._computing.shutdown()
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

    def prompt(self, messages: Sequence[tuple[str, str]]) -> list[int]:
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

    def text(self, token: int) -> bytes:
        """Return the text of a token of the vocabulary; what marks the turns of a conversation has none."""
        buffer = ctypes.create_string_buffer(256)
        length: int = llama.llama_token_to_piece(self._model, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(0, length)]

    def token(self, scores: _Scores) -> Token:
        """Return the likeliest token."""
        number = int(scores.argmax())
        relative = scores - scores[number]
        probabilities = relative - np.log(np.exp(relative).sum())
        ends = bool(llama.llama_token_is_eog(self._model, number))
        return Token(number, b"" if ends else self.text(number), probabilities, ends)

    def in_turn(self, action: Callable[..., _T], *arguments: Any) -> _T:  # noqa: ANN401 - whatever it takes
        """Let the thread that has the context do it, while nothing is computed."""
        return self._computing.submit(action, *arguments).result()

    def compute(self, step: _Step) -> list[_Scores]:
        """Return what a step tells, which is computed together with what others want meanwhile, or begun.

        Raises:
            RuntimeError: the model could not go on.
        """
        with self._changed:
            self._steps.append(step)
            self._changed.notify()
        self._computing.submit(self._compute_until, step)
        return step.done.result()

    def kept(self, file: Path) -> KeptState:
        """Return what was kept in a file; what was asked for last is not read again.

        Raises:
            OSError: it could not be read.
        """
        held = self._kept
        if held is None or held[0] != file:
            try:
                held = file, KeptState.of_file(file.read_bytes())
            except (OSError, ValueError) as error:
                raise OSError(f"{file} could not be read: {error}") from error
            self._kept = held
        return held[1]

    def begin(self, conversation: Conversation) -> None:
        """Note that a conversation is at work from now on, and when it began; so it is not forgotten for others."""
        with self._changed:
            self._prompts += 1
            conversation.begun = self._prompts
            conversation.is_at_work = True

    def remove(self, sequence: int, begin: int) -> bool:
        """Return whether a conversation's cells from a place on could be freed. For the thread that has the context."""
        return bool(self._library.llama_kv_cache_seq_rm(self._context, sequence, begin, -1))

    def state(self, sequence: int, read: Sequence[int]) -> KeptState:
        """Return what a conversation has read. For the thread that has the context.

        Raises:
            ValueError: it is not of the kind that can be taken apart.
        """
        data = ctypes.create_string_buffer(self._library.llama_state_seq_get_size(self._context, sequence, 0))
        size = self._library.llama_state_seq_get_data(self._context, data, len(data), sequence, 0)
        return KeptState.of_data(read, memoryview(data)[:size])

    def set_state(self, sequence: int, data: bytearray) -> bool:
        """Return whether there was room for what a conversation is to have. For the thread that has the context."""
        what = (self._context, (ctypes.c_char * len(data)).from_buffer(data), len(data), sequence, 0)
        if not self._library.llama_state_seq_set_data(*what):
            self._make_room()
            return bool(self._library.llama_state_seq_set_data(*what))
        return True

    def keep(self, file: Path, sequence: int, read: Sequence[int]) -> None:
        """Keep what a conversation has read. For the thread that has the context.

        Raises:
            OSError: it could not be written.
        """
        if not read:
            raise OSError("there is nothing to keep")
        self._kept = None
        tokens = (llama.llama_token * len(read))(*read)
        if not self._library.llama_state_seq_save_file(self._context, bytes(file), sequence, tokens, len(tokens)):
            raise OSError(f"{file} could not be written")

    def _rotation(self) -> Rotation | None:
        kind = self._library.llama_rope_type(self._model)
        family = self._about("general.architecture")
        width, heads = (self._about(f"{family}.{name}") for name in ("embedding_length", "attention.head_count"))
        if kind not in (_NORMAL, _NEOX) or self._about(f"{family}.rope.scaling.type") or not width or not heads:
            return None
        head = int(self._about(f"{family}.attention.key_length") or int(width) // int(heads))
        size = int(self._about(f"{family}.rope.dimension_count") or head)
        base = float(self._about(f"{family}.rope.freq_base") or 10_000)
        return Rotation(base, head, size, halves=kind == _NEOX)

    def _about(self, key: str) -> str:
        """Return what the model's file says of itself; empty where it does not."""
        buffer = ctypes.create_string_buffer(256)
        length = self._library.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode() if length > 0 else ""

    def _make_room(self) -> None:
        """Forget what nobody waits for, and move all cells together."""
        with self._changed:
            for conversation in self.conversations:
                if not conversation.is_at_work:
                    conversation.forget(0)
        self._library.llama_kv_cache_defrag(self._context)
        self._library.llama_kv_cache_update(self._context)

    def _compute_until(self, wanted: _Step) -> None:
        """Compute one batch after the other until a step has had its part in one."""
        while not wanted.done.done():
            with self._changed:
                self._changed.wait_for(lambda: len(self._steps) >= self._expected, TOGETHER_SECONDS)
                parts = self._take()
            self._compute_batch(parts)
            with self._changed:
                self._expected = len({step.conversation for step in (*self._steps, *(part[0] for part in parts))})

    def _take(self) -> list[tuple[_Step, int]]:
        """Return the steps that are computed next, with the adapter or without it, and how many tokens of each."""
        room = BATCH_TOKENS if len(self._steps) == 1 else SHARED_TOKENS
        alike = [step for step in self._steps if step.adapted == self._steps[0].adapted]
        taken: list[tuple[_Step, int]] = []
        # Whoever writes has few tokens, and nothing of them can be put off. Of those who read the first one is finished
        # first: in turns, all would end as late as the last.
        for step in sorted(alike, key=lambda step: (not step.all_tell, step.conversation.begun)):
            count = min(room, len(step.tokens))
            if count and (count == len(step.tokens) or not step.all_tell):
                taken.append((step, count))
                room -= count
                self._steps.remove(step)
        return taken

    def _compute_batch(self, parts: Sequence[tuple[_Step, int]]) -> None:
        try:
            telling = self._fill_batch(parts)
            self._decode(adapted=parts[0][0].adapted)
            for (step, count), places in zip(parts, telling, strict=True):
                step.conversation.has_read(step.tokens[:count], adapted=step.adapted)
                step.done.set_result([self._scores(place) for place in places])
        except Exception as error:  # noqa: BLE001 - each of those who wait must hear of it
            undone = [part for part in parts if not part[0].done.done()]
            if len(parts) == 1:
                undone[0][0].done.set_exception(error)
            else:
                # What ails one need not ail the others, who may still have room.
                for part in undone:
                    self._compute_batch([part])

    def _fill_batch(self, parts: Sequence[tuple[_Step, int]]) -> list[list[int]]:
        """Return for each step the places in the batch after which it is told what comes next."""
        batch = self._batch
        batch.n_tokens = 0
        telling: list[list[int]] = []
        for step, count in parts:
            step.conversation.go_back(step.after, step.excerpt)
            telling.append([])
            for offset, token in enumerate(step.tokens[:count]):
                place = batch.n_tokens
                batch.token[place] = token
                batch.pos[place] = step.after + offset
                batch.n_seq_id[place] = 1
                batch.seq_id[place][0] = step.conversation.sequence
                batch.logits[place] = step.all_tell or offset == len(step.tokens) - 1
                if batch.logits[place]:
                    telling[-1].append(place)
                batch.n_tokens += 1
        return telling

    def _decode(self, *, adapted: bool) -> None:
        self._library.llama_lora_adapter_clear(self._context)
        if adapted and self._library.llama_lora_adapter_set(self._context, self._adapter, 1.0):
            raise RuntimeError("the adapter could not be used")
        failed = llama.llama_decode(self._context, self._batch)
        if failed == _NO_ROOM_IN_ONE_PIECE:
            self._make_room()
            failed = llama.llama_decode(self._context, self._batch)
        if failed:
            raise RuntimeError(f"llama_decode returned {failed}")

    def _scores(self, place: int) -> _Scores:
        pointer = llama.llama_get_logits_ith(self._context, place)
        if not pointer:
            raise RuntimeError("the model tells no next token")
        return np.ctypeslib.as_array(pointer, (self._vocabulary,)).copy()


class Conversation:
    """What the model has read of one conversation."""

    def __init__(self, decoder: Decoder, sequence: int) -> None:
        """Begin with nothing; `Decoder.conversations` has them."""
        self.sequence = sequence
        self.is_at_work = False
        """Whether somebody waits for its reply; else it may be forgotten where others need the room."""
        self.begun = 0
        """When its last prompt began to be read: those with a lower number are read first."""
        self._decoder = decoder
        self._read: list[int] = []
        self._kept: KeptState | None = None
        """What it was told to go back to, and what has to be taken over of it before it is there."""
        self._told: list[_Scores] = []
        self._is_adapted = False
        # Where something begins that is not there, it begins behind all that there is room for.
        self._adapted_from = decoder.room
        """Before it the adapter has changed nothing of what was read."""
        self._moved_from = decoder.room
        """Before it nothing stood elsewhere when it was read."""

    def read(self, prompt: Sequence[int], wanted: Callable[[], bool], *, apart: bool = False) -> bool:
        """Read a prompt, and return whether it was wanted to its end; `wanted` is asked before each batch.

        What it begins with is not read again; unless `apart`, neither are runs of tokens that stood elsewhere. It is
        not forgotten for others until it may `rest`.

        Raises:
            RuntimeError: the model could not go on.
            ValueError: there is nothing to read.
        """
        if not prompt:
            raise ValueError("there is nothing to read")
        if not wanted():
            return False
        begin = _last_place(self._decoder.invocation, prompt)
        self._decoder.begin(self)
        # The last token is read in any case, since it tells the next one.
        known, excerpt = self._reusable(prompt[: min(begin, len(prompt) - 1)], apart=apart)
        while known < len(prompt):
            if not wanted():
                return False
            self._is_adapted = known >= begin
            end = len(prompt) if self._is_adapted else begin
            try:
                self._want(prompt[known:end], known, excerpt=excerpt)
            except _NoRoomError:
                # Only speed is lost.
                known, excerpt = 0, None
            else:
                known, excerpt = len(self._read), None
        return True

    def write(self) -> Iterator[Token]:
        """Yield the likeliest token each time, until the model ends its turn or its context is full.

        Raises:
            RuntimeError: the model could not go on.
        """
        known = len(self._read)
        token = self._decoder.token(self._told[-1])
        while True:
            yield token
            if token.ends or known == self._decoder.room:
                return
            guessed = self._guess(token.number, known)
            self._want([token.number, *guessed], known, all_tell=True)
            known += 1
            for scores, guess in zip(self._told, [*guessed, None], strict=True):
                token = self._decoder.token(scores)
                if token.ends or token.number != guess:
                    break
                yield token
                known += 1

    def rest(self) -> None:
        """Say that nobody waits for its reply any more; what it has read stays there as long as there is room."""
        self.is_at_work = False

    def save(self, file: Path) -> None:
        """Keep what was read without the adapter, up to what stood elsewhere.

        Raises:
            OSError: it could not be written.
        """
        self._decoder.in_turn(self._save, file)

    def restore(self, file: Path) -> None:
        """Go back to what was kept in a file; what a prompt has of it is taken over.

        Raises:
            OSError: it could not be read.
        """
        self._kept = self._decoder.kept(file)

    def forget(self, kept: int) -> None:
        """Forget all that was read but so many tokens, or everything where the model cannot forget a part.

        For the thread that has the context.
        """
        # Where a batch failed there may be cells behind all that counts as read.
        if not self._decoder.remove(self.sequence, kept):
            self._decoder.remove(self.sequence, -1)
            kept = 0
        del self._read[kept:]
        self._adapted_from = self._adapted_from if self._adapted_from < kept else self._decoder.room
        self._moved_from = self._moved_from if self._moved_from < kept else self._decoder.room

    def go_back(self, kept: int, excerpt: _Excerpt | None) -> None:
        """Forget all but so many tokens, or all, and begin with an excerpt. For the thread that has the context.

        Raises:
            _NoRoomError: there is no room for it.
        """
        self.forget(kept if excerpt is None else 0)
        if excerpt is not None:
            if not self._decoder.set_state(self.sequence, excerpt.data):
                raise _NoRoomError("there is no room for what was kept")
            self._read, self._moved_from = [*excerpt.tokens], excerpt.moved_from

    def has_read(self, tokens: Sequence[int], *, adapted: bool) -> None:
        """Note what was computed behind all the rest. For the thread that has the context."""
        if adapted:
            self._adapted_from = min(self._adapted_from, len(self._read))
        self._read += tokens

    def _reusable(self, prompt: Sequence[int], *, apart: bool) -> tuple[int, _Excerpt | None]:
        """Return how many tokens a prompt begins with that were read or kept, and what has to be put there for them.

        What was read beyond them is forgotten with the next step.
        """
        read = self._read[: min(self._adapted_from, self._moved_from) if apart else self._adapted_from]
        most = 1 if apart or self._decoder.rotation is None else None
        state, self._kept = self._kept, None
        own = shared_runs(read, prompt)[:most]
        kept = shared_runs(state.tokens, prompt)[:most] if state is not None else []
        try:
            if sum(length for _, length in kept) > sum(length for _, length in own):
                excerpt = self._excerpt(kept, state)
            elif len(own) > 1:
                excerpt = self._excerpt(own, None)
            else:
                return own[0][1], None
        except ValueError:
            # Only speed is lost.
            return 0, None
        return len(excerpt.tokens), excerpt

    def _excerpt(self, runs: Sequence[tuple[int, int]], state: KeptState | None) -> _Excerpt:
        """Return these runs of a state, or of what was read, side by side."""
        state = state or self._decoder.in_turn(self._decoder.state, self.sequence, self._read)
        tokens = [token for place, length in runs for token in state.tokens[place : place + length]]
        moved_from = runs[0][1] if len(runs) > 1 else self._decoder.room
        return _Excerpt(tokens, state.excerpt(runs, self._decoder.rotation), moved_from)

    def _save(self, file: Path) -> None:
        self.forget(min(self._adapted_from, self._moved_from, len(self._read)))
        self._decoder.keep(file, self.sequence, self._read)

    def _guess(self, token: int, known: int) -> list[int]:
        """Return what may come after a token: what came where the last tokens stood before, mostly in the article."""
        end = [*self._read[known + 1 - GUESS_AFTER : known], token]
        room = min(GUESSED_TOKENS, self._decoder.room - known - 1)
        for place in range(known - GUESS_AFTER, -1, -1):
            if self._read[place : place + GUESS_AFTER] == end:
                return self._read[place + GUESS_AFTER : known][:room]
        return []

    def _want(
        self, tokens: Sequence[int], after: int, *, all_tell: bool = False, excerpt: _Excerpt | None = None
    ) -> None:
        self._told = self._decoder.compute(_Step(self, tokens, after, self._is_adapted, all_tell, excerpt))


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
