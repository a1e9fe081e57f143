"""Train the adapter of `assistant/adapter.gguf`: do passages state an answer to a question, and is it this one?

`python -m assistant train-adapter` trains small matrices beside the attention of the packaged language model (LoRA, Hu
et al., ICLR 2022), which the engine brings in from the first words of such a check on (activated LoRA, Greenewald et
al., 2025). Up to there the model is the one that drafts, so what it has read of the passages serves both. The articles
that it learns from are those of the reader. Knows nothing of how a check is used.
"""

from __future__ import annotations

import math
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from assistant import prompts
from assistant.errors import ConfigurationError
from assistant.evaluation.reader_training import WORD, Entry, Example, examples, exchanged, form, save, split
from assistant.grounding import stems
from assistant.language_model import INVOCATION
from assistant.passages import sentences
from assistant.types import Article

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RANK, ALPHA = 8, 16
FIRST_LAYER = 8
"""The layers below are left as they are: a fifth of the time and of the file for no loss that was seen."""
PROJECTIONS = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
"""What is adapted of each layer, and llama.cpp's names for it."""
STEPS = 420
RATE = 3e-4
"""The highest learning rate; it rises over the first twentieth of the steps and falls to nothing over the others."""
CHECKS = 20
"""At most so many about the same passages are learned from at a time."""
ASKED = 12
"""So many of a paragraph's questions are drawn."""

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps in all."""

_QUESTION_WORD = re.compile(
    r"^(?:in|on|at|of|by|to|from|for|with|under)?\s*"
    r"(?:what|who|whom|whose|when|where|why|which|how(?: many| much| long| often| old)?)\b"
    r"\s*(?:is|was|were|are|did|does|do|has|have)?\b",
    re.IGNORECASE,
)
_PHRASE = re.compile(r"(?:[A-Z][\w'-]+(?: (?:of |the )?[A-Z][\w'-]+)*|\d[\d,.]*\d(?: \w+)?|\b\w{5,}(?: \w{4,})?)")
_NOTHING = "It is not known."


@dataclass(frozen=True, slots=True)
class Check:
    """What the model is asked about passages, and whether "yes" is right."""

    prompt: str
    yes: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Checks of the same passages, which are read once for all of them."""

    passages: str
    checks: Sequence[Check]


def run(path: Path, model: Path, out: Path, seed: int, progress: Progress, steps: int = STEPS) -> str:  # noqa: PLR0913, PLR0917
    """Train on half the articles of a file, write the adapter, and return its SHA-256.

    Raises:
        ConfigurationError: the file cannot be read, has too little to halve, the adapter has no place, or a package is
            missing.
    """
    if out.resolve() in {path.resolve(), model.resolve()}:
        raise ConfigurationError(f"{out} is what the adapter is trained from: give the adapter a file of its own")
    seen, _ = split(path, seed)
    data = groups(seen, random.Random(seed))  # noqa: S311 - no secret
    return save(out, lambda: train(data, model, seed, progress, steps))


def groups(entries: Sequence[Entry], generator: random.Random) -> list[Group]:
    """Return one group for each paragraph that is asked about, in no order.

    Each question is asked, and asked again with an answer that is right or wrong; some once more with a word exchanged.
    Two from paragraphs further on have no answer here.
    """
    found = []
    for entry in entries:
        paragraphs = [str(paragraph["context"]) for paragraph in entry["paragraphs"]]
        asked = [examples([{"paragraphs": [paragraph]}]) for paragraph in entry["paragraphs"]]
        for number in range(len(paragraphs)):
            passages = _passages(paragraphs, number, generator)
            near = range(max(0, number - 6), min(len(paragraphs), number + 7))
            far = [
                example
                for other in near
                if abs(other - number) > 1
                for example in asked[other]
                if example.end and _answer(example) not in passages
            ]
            checks = list(_checks(asked[number], far, passages, generator))
            generator.shuffle(checks)
            if checks:
                found.append(Group(passages, checks))
    generator.shuffle(found)
    return found


def _passages(paragraphs: Sequence[str], number: int, generator: random.Random) -> str:
    """Return the paragraph, sometimes with a neighbour."""
    if generator.random() < 0.25 and number + 1 < len(paragraphs):
        return "\n\n".join(paragraphs[number : number + 2])
    if generator.random() < 0.15 and number > 0:
        return "\n\n".join(paragraphs[number - 1 : number + 1])
    return paragraphs[number]


def _checks(
    asked: Sequence[Example], far: Sequence[Example], passages: str, generator: random.Random
) -> Iterator[Check]:
    held = [sentence.text for sentence in sentences(Article("passages", passages, ""))]
    asked, far = list(asked), list(far)
    generator.shuffle(asked)
    for example in asked[:ASKED]:
        yield _answerable(example.question, yes=bool(example.end))
        yield _confirmed(example, passages, held, generator)
        if example.end and generator.random() < 0.35 and (other := exchanged(example, generator)) is not None:
            yield _answerable(other.question, yes=False)
    generator.shuffle(far)
    for example in far[:2]:
        if generator.random() < 0.5:
            yield _answerable(example.question, yes=False)
        else:
            yield _confirmed(Example(example.question, passages), passages, held, generator)


def _answerable(question: str, *, yes: bool) -> Check:
    return Check(prompts.render("answerable", question=question), yes)


def _confirmed(example: Example, passages: str, held: Sequence[str], generator: random.Random) -> Check:
    """Return the check of an answer to a question: the gold one in its own words, its sentence or a statement, or none.

    The wrong ones are what a small model writes: a sentence beside the point, the question's own words with something
    else in the answer's place, and the right sentence with one word exchanged.
    """
    question, gold = example.question, _answer(example)
    kind = generator.random()
    right = bool(gold) and generator.random() < 0.55
    home = next((sentence for sentence in held if gold and gold in sentence), None)
    if right:
        answer = gold if kind < 0.25 or home is None else home if kind < 0.6 else _statement(question, gold)
    elif kind < 0.2:
        answer = _other_words(question, gold, passages, generator) or _NOTHING
    elif kind < 0.5:
        answer = _beside(question, gold, held, generator) or _NOTHING
    elif kind < 0.75:
        answer = _statement(question, _other_words(question, gold, passages, generator) or "unknown")
    else:
        slipped = _slipped(home, passages, generator) if home else None
        answer = slipped or _beside(question, gold, held, generator) or _NOTHING
    return Check(prompts.render("confirmed", question=question, answer=answer), right)


def _answer(example: Example) -> str:
    return example.paragraph[example.start : example.end]


def _statement(question: str, answer: str) -> str:
    """Return a clumsy sentence of the question's words and an answer."""
    told = _QUESTION_WORD.sub("", question.rstrip("?")).strip()
    if not told:
        return answer
    return f"{_capital(answer)} {told}." if len(question) % 2 else f"{_capital(told)} {answer}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _other_words(question: str, gold: str, passages: str, generator: random.Random) -> str | None:
    """Return other words of the passages, of the answer's form where there are any."""
    asked = stems(question)
    found = [
        phrase
        for phrase in _PHRASE.findall(passages)
        if not (gold and (phrase in gold or gold in phrase)) and not stems(phrase) <= asked
    ]
    alike = [phrase for phrase in found if gold and form(phrase) == form(gold)]
    chosen: str | None = generator.choice(alike or found) if found else None
    return chosen


def _beside(question: str, gold: str, held: Sequence[str], generator: random.Random) -> str | None:
    """Return the sentence without the answer that is most like the question."""
    asked = stems(question)
    found = [sentence for sentence in held if not (gold and gold in sentence)]
    return max(found, key=lambda sentence: float(len(stems(sentence) & asked) + generator.random()), default=None)


def _slipped(sentence: str, passages: str, generator: random.Random) -> str | None:
    """Return the sentence with a word, rather a name or a number, exchanged for another of its form."""
    there: list[str] = [word for word in WORD.findall(passages) if word not in sentence and stems(word)]
    choices = [
        (match, other)
        for match in WORD.finditer(sentence)
        if stems(match[0])
        for other in there
        if form(other) == form(match[0])
    ]
    if not choices:
        return None
    weighty = [(match, other) for match, other in choices if match[0][0].isupper() or match[0][0].isdigit()]
    match, other = generator.choice(weighty if weighty and generator.random() < 0.6 else choices)
    return sentence[: match.start()] + other + sentence[match.end() :]


def train(data: Sequence[Group], model: Path, seed: int, progress: Progress, steps: int) -> bytes:
    """Return an adapter of the language model in a GGUF file, trained on one group a step, as the content of a file.

    Raises:
        ConfigurationError: a package that reads or writes GGUF files is missing.
    """
    language_model, tokenizer = _loaded(model)
    torch.manual_seed(seed)
    adapted = _adapt(language_model)
    trained = [matrix for one in adapted.values() for matrix in (one.down, one.up)]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))
    )
    yes, no = (_spellings(tokenizer, word) for word in ("yes", "no"))
    for step in range(steps):
        group = data[step % len(data)]
        checks = group.checks[:CHECKS]
        told = log_probabilities(language_model, tokenizer, adapted, group.passages, [one.prompt for one in checks])
        right = torch.tensor([one.yes for one in checks])
        loss = -torch.where(right, told[:, yes].logsumexp(-1), told[:, no].logsumexp(-1)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        progress(step + 1, steps)
    return _packed(adapted, tokenizer)


def _loaded(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the language model, its weights unpacked and frozen, and its tokenizer."""
    try:
        import accelerate  # noqa: F401, PLC0415 - transformers needs both to read a GGUF file
        import gguf  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f'Training the adapter needs {error.name}: run pip install -e ".[local,train]" -c constraints.txt'
        ) from error
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        local_files_only=True,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        attn_implementation="sdpa",
    )
    model.requires_grad_(False)  # noqa: FBT003 - torch's own name for it differs by release
    return model.train(mode=False), tokenizer


class Adapted(nn.Module):
    """A projection of the model with two small matrices beside it, which can be switched off."""

    def __init__(self, projection: nn.Linear) -> None:
        """Begin where nothing is changed: one matrix at random, the other of zeros."""
        super().__init__()
        self.projection = projection
        self.down = nn.Parameter(torch.empty(RANK, projection.in_features))
        self.up = nn.Parameter(torch.zeros(projection.out_features, RANK))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.active = True

    def forward(self, states: Tensor) -> Tensor:
        """Return the projection of hidden states, (..., in) to (..., out)."""
        projected: Tensor = self.projection(states)
        if not self.active:
            return projected
        return projected + states @ self.down.to(states.dtype).T @ self.up.to(states.dtype).T * (ALPHA / RANK)


def _adapt(model: PreTrainedModel) -> dict[str, Adapted]:
    """Put matrices beside the model's projections, and return them by llama.cpp's names."""
    adapted = {}
    for number, layer in enumerate(model.model.layers):
        for name, theirs in PROJECTIONS.items() if number >= FIRST_LAYER else ():
            one = Adapted(getattr(layer.self_attn, name))
            setattr(layer.self_attn, name, one)
            adapted[f"blk.{number}.{theirs}.weight"] = one
    return adapted


def log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    adapted: Mapping[str, Adapted],
    passages: str,
    asked: Sequence[str],
) -> Tensor:
    """Return the log-probability of each token as the first of the reply to each prompt, (prompts, tokens).

    The passages are read once, by the model as it is. The prompts follow as one sequence in which each sees the
    passages and itself alone, so that nothing is padded.
    """
    opening, ending = _around(tokenizer, passages)
    read = _tokens(tokenizer, opening)
    ends = [_tokens(tokenizer, prompt + ending) for prompt in asked]
    with _inactive(adapted), torch.no_grad():
        cache = model.model(torch.tensor([read]), use_cache=True).cache
    whose = torch.tensor([number for number, tokens in enumerate(ends) for _ in tokens])
    hidden = (whose[:, None] != whose[None, :]) | ~torch.ones(len(whose), len(whose), dtype=torch.bool).tril()
    mask = torch.zeros(1, 1, len(whose), len(read) + len(whose), dtype=model.dtype)
    mask[0, 0, :, len(read) :].masked_fill_(hidden, torch.finfo(model.dtype).min)
    states = model.model(
        torch.tensor([[token for tokens in ends for token in tokens]]),
        attention_mask=mask,
        position_ids=torch.tensor([[len(read) + place for tokens in ends for place in range(len(tokens))]]),
        cache=cache,
        use_cache=True,
    ).last_hidden_state[0]
    last = torch.tensor([len(tokens) for tokens in ends]).cumsum(0) - 1
    return torch.log_softmax(model.lm_head(states[last]).float(), -1)


@contextmanager
def _inactive(adapted: Mapping[str, Adapted]) -> Iterator[None]:
    for one in adapted.values():
        one.active = False
    try:
        yield
    finally:
        for one in adapted.values():
            one.active = True


def _around(tokenizer: PreTrainedTokenizerBase, passages: str) -> tuple[str, str]:
    """Return what stands before and after a prompt about passages, as the engine writes it."""
    messages = [
        {"role": "system", "content": prompts.render("system", article=passages)},
        {"role": "user", "content": INVOCATION},
    ]
    written = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    opening, _, ending = written.rpartition(INVOCATION)
    return opening, ending


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def _spellings(tokenizer: PreTrainedTokenizerBase, word: str) -> list[int]:
    """Return the tokens that are read as the word."""
    spellings = (word, word.capitalize(), f" {word}", f" {word.capitalize()}", word.upper())
    return [tokens[0] for tokens in (_tokens(tokenizer, spelling) for spelling in spellings) if len(tokens) == 1]


def _packed(adapted: Mapping[str, Adapted], tokenizer: PreTrainedTokenizerBase) -> bytes:
    """Return the matrices as a GGUF file, with the tokens from which on they work."""
    import gguf  # noqa: PLC0415 - only needed here

    writer = gguf.GGUFWriter(None, "qwen2")
    writer.add_type("adapter")
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(ALPHA))
    writer.add_key_value(
        gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS,
        _tokens(tokenizer, INVOCATION),
        gguf.GGUFValueType.ARRAY,
        sub_type=gguf.GGUFValueType.UINT32,
    )
    for name, one in adapted.items():
        writer.add_tensor(f"{name}.lora_a", one.down.detach().half().numpy())
        writer.add_tensor(f"{name}.lora_b", one.up.detach().half().numpy())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "adapter.gguf"
        writer.write_header_to_file(file)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return file.read_bytes()
