"""A conversation with the language model in memory: what it has read, and which token comes next.

A prompt is read, but nothing of it that was read before: what the conversation begins with already stays, or what the
prompt has of an article that was read once for all and kept in a file. Then the file is loaded, and what the prompt has
not is cut out. For one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from assistant.model.engine.library import BATCH_TOKENS, LoadedModel, Scores
from assistant.model.probes import State

REUSE_TOKENS = 16
"""Shortest run of tokens that is taken over from the middle of an article."""
GUESS_AFTER, GUESSED_TOKENS = 3, 2
"""After three tokens that stood somewhere before, so many are guessed: to read three takes as long as to write 1.5."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was written."""

    number: int
    """Its place in the vocabulary."""
    text: bytes
    """UTF-8; a character may be spread over several tokens."""
    log_probability: float
    ends: bool
    """With it the model ends its turn."""


class Decoder:
    """A model, and adapters, each of which works from certain words on."""

    def __init__(self, model: Path, room: int, threads: int, adapters: Sequence[tuple[Path, str]] = ()) -> None:
        """Load the model, with room for so many tokens, and adapters, each with its words.

        From the last words of a prompt on that are those of an adapter, this adapter works.

        Raises:
            OSError: a file cannot be loaded, or there is not enough memory.
            ValueError: the model's template for conversations is not known.
        """
        self.room = room
        self._model = LoadedModel(model, room, threads, [file for file, _ in adapters])
        self._invocations = [self._model.tokens(words, marks=True) for _, words in adapters]
        self._adapter: int | None = None
        """The number of the one that works."""
        self._read: list[int] = []
        # `room` means none: no token stands so far on.
        self._adapted_from = room
        """Before it no adapter has changed anything of what was read."""
        self._moved_from = room
        """Before it nothing stood elsewhere when it was read."""
        self._article: tuple[Path, tuple[int, ...]] | None = None
        """The file of the article that was asked about last, and its tokens."""
        self._told: list[Scores] = []
        # A template that is not known is an error now, and not with each question.
        self.prompt([("user", "?")])

    def close(self) -> None:
        """Free the memory."""
        self._model.close()

    def prompt(self, messages: Sequence[tuple[str, str]], opening: str = "") -> list[int]:
        """Return the tokens of a conversation of (role, text), up to where the model is to reply, or to go on.

        Raises:
            ValueError: the model's template for conversations is not known.
        """
        return [*self._model.prompt(messages), *self._model.tokens(opening)]

    def text(self, token: int) -> bytes:
        """Return the text of a token of the vocabulary; what marks the turns of a conversation has none."""
        return self._model.text(token)

    def read_article(self, prompt: Sequence[int], file: Path, wanted: Callable[[], bool]) -> bool:
        """Read a prompt that has a whole article, and keep it in a file; return whether it was wanted to its end.

        `wanted` is asked before each batch. What was read until then is kept beside the file, and is not read again.

        Raises:
            OSError: it could not be kept.
            RuntimeError: the model could not go on.
        """
        self._load(_newest(file))
        self._article = None
        known = _shared(self._read, prompt)
        self._go_back(known)
        self._adapted_from = self.room
        is_whole = False
        try:
            is_whole = self._compute(prompt, wanted)
        finally:
            if is_whole:
                self._model.save(file, self._read)
                _unfinished(file).unlink(missing_ok=True)
            elif len(self._read) > known:
                self._model.save(_unfinished(file), self._read)
        return is_whole

    def read(self, prompt: Sequence[int], wanted: Callable[[], bool], article: Path | None = None) -> bool:
        """Read a prompt, and return whether it was wanted to its end; `wanted` is asked before each batch.

        What the prompt has of an article that was kept in a file is taken from there, where it is given. Otherwise it
        is read as if there were nothing else.

        Raises:
            RuntimeError: the model could not go on.
            ValueError: there is nothing to read.
        """
        if not prompt:
            raise ValueError("there is nothing to read")
        begin, adapter = self._adapted(prompt)
        # The last token is read in any case: the next one is predicted from it.
        reusable = prompt[: min(begin, len(prompt) - 1)]
        known = _shared(self._read[: self._adapted_from], reusable)
        if article is None:
            known = min(known, self._moved_from)
        elif known < len(reusable):
            known = self._from_article(_newest(article), reusable, known)
        self._go_back(known)
        self._adapted_from = begin if begin < len(prompt) else self.room
        self._adapter = adapter
        return self._compute(prompt[:begin], wanted) and self._compute(prompt, wanted, adapter)

    def state(self) -> State:
        """Return what the model's last layer makes of a prompt that was read.

        Raises:
            RuntimeError: the model could not go on.
        """
        token = self._read[-1]
        self._go_back(len(self._read) - 1)
        state = self._model.state(token, len(self._read), adapter=self._adapter)
        self._read.append(token)
        return state

    def write(self, grammar: str = "") -> Iterator[Token]:
        """Yield the likeliest token each time, until the model ends its turn or its context is full.

        With a grammar, in GBNF, it is the likeliest one that this allows.

        Raises:
            RuntimeError: the model could not go on.
            ValueError: the grammar cannot be read.
        """
        if not grammar:
            yield from self._written(lambda scores: int(scores.argmax()))
            return
        held = self._model.grammar(grammar)
        try:
            yield from self._written(partial(self._model.choose, held))
        finally:
            self._model.free_grammar(held)

    def _written(self, choose: Callable[[Scores], int]) -> Iterator[Token]:
        known = len(self._read)
        token = self._token(self._told[-1], choose)
        while True:
            yield token
            if token.ends or known == self.room:
                return
            # Of what was guessed last, something may have been wrong.
            self._go_back(known)
            guessed = self._guess(token.number)
            self._step([token.number, *guessed], self._adapter, all_tell=True)
            known += 1
            for scores, guess in zip(self._told, [*guessed, None], strict=True):
                token = self._token(scores, choose)
                if token.ends or token.number != guess:
                    break
                yield token
                known += 1

    def _adapted(self, prompt: Sequence[int]) -> tuple[int, int | None]:
        """Return from where on an adapter works, and its number: the one whose words come last."""
        places = [(_last_place(words, prompt), number) for number, words in enumerate(self._invocations)]
        return max((place for place in places if place[0] < len(prompt)), default=(len(prompt), None))

    def _load(self, file: Path) -> None:
        """Have read what is kept in a file; nothing where there is no such file, or it cannot be read."""
        self._go_back(0)
        if not file.exists():
            return
        try:
            self._read = self._model.load(file)
        except OSError:
            # Only speed is lost, and it is read anew at the next start.
            file.unlink(missing_ok=True)

    def _from_article(self, file: Path, prompt: Sequence[int], known: int) -> int:
        """Have read what a prompt has of an article, if that is more than is `known`; return how many tokens it is."""
        if self._article is None or self._article[0] != file:
            self._load(file)
            self._article = file, tuple(self._read)
            known = 0
        runs = shared_runs(self._article[1], prompt)
        if sum(length for _, length in runs) <= known:
            return known
        self._load(file)
        if not self._read:
            return 0
        end = len(self._read)
        # From the last to the first, so that the places before a cut are as they were.
        for place, length in reversed(runs):
            if place + length < end:
                self._model.cut_out(place + length, end)
                del self._read[place + length : end]
            end = place
        self._moved_from = runs[0][1] if len(runs) > 1 else self.room
        return len(self._read)

    def _go_back(self, known: int) -> None:
        """Forget all but so many tokens, or everything where the model cannot forget a part."""
        # Where a batch failed there may be cells behind all that counts as read.
        if not self._model.forget(known):
            self._model.forget()
            known = 0
        del self._read[known:]
        self._moved_from = self._moved_from if self._moved_from < known else self.room

    def _compute(self, prompt: Sequence[int], wanted: Callable[[], bool], adapter: int | None = None) -> bool:
        """Read what is not read of a prompt, and return whether it was wanted to its end."""
        while len(self._read) < len(prompt):
            if not wanted():
                return False
            known = len(self._read)
            self._step(prompt[known : known + BATCH_TOKENS], adapter)
        return True

    def _step(self, tokens: Sequence[int], adapter: int | None = None, *, all_tell: bool = False) -> None:
        self._told = self._model.compute(tokens, len(self._read), adapter=adapter, all_tell=all_tell)
        self._read += tokens

    def _token(self, scores: Scores, choose: Callable[[Scores], int]) -> Token:
        """Return the token that is chosen."""
        number = choose(scores)
        ends = self._model.is_end(number)
        log_probability = -float(np.log(np.exp(scores - scores[number]).sum()))
        return Token(number, b"" if ends else self.text(number), log_probability, ends)

    def _guess(self, token: int) -> list[int]:
        """Return what may come after a token: what came where the last tokens stood before, mostly in the article."""
        read = self._read
        end = [*read[1 - GUESS_AFTER :], token]
        room = min(GUESSED_TOKENS, self.room - len(read) - 1)
        for place in range(len(read) - GUESS_AFTER, -1, -1):
            if read[place : place + GUESS_AFTER] == end:
                return read[place + GUESS_AFTER :][:room]
        return []


def _unfinished(file: Path) -> Path:
    """Return where is kept what was read of an article that was not read to its end."""
    return file.with_suffix(".partial")


def _newest(file: Path) -> Path:
    return file if file.exists() else _unfinished(file)


def shared_runs(read: Sequence[int], prompt: Sequence[int]) -> list[tuple[int, int]]:
    """Return where the tokens that a prompt begins with stand in what was read, run by run: (place, length).

    The first run is what both begin with. Each other one has at least `REUSE_TOKENS` and stands behind the one before.
    """
    run = _shared(read, prompt)
    runs, known, place = [(0, run)], run, run
    while place < len(read) and known < len(prompt):
        run = _shared(read[place : place + len(prompt) - known], prompt[known:]) if read[place] == prompt[known] else 0
        if run >= REUSE_TOKENS:
            runs.append((place, run))
            known += run
        place += run if run >= REUSE_TOKENS else 1
    return runs


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    pairs = zip(first, second, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _last_place(words: Sequence[int], prompt: Sequence[int]) -> int:
    """Return where a prompt has these tokens for the last time; its length where it has them not."""
    for place in range(len(prompt) - len(words), -1, -1):
        if list(prompt[place : place + len(words)]) == list(words):
            return place
    return len(prompt)
