"""Which model answers: what is refused at the start, loading in the background, and a dead engine."""

import gc
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from scripted_engine import Reply, ScriptedModel, StubEngine, packaged

from assistant.errors import ConfigurationError, ModelError
from assistant.model import holder, weights
from assistant.model.chat import LanguageModel
from assistant.model.engine.process import Engine
from assistant.model.holder import CapableModels, ModelHolder, ModelState, check_configuration, model_name
from assistant.settings import Check, Settings
from assistant.types import Article

# Configuration


@pytest.mark.parametrize(
    "name", ["nonsense:model", "no-such-provider-or-model", "openai:gpt-4.1-mini", "groq:small", ":", "local:x"]
)
def test_a_model_that_cannot_be_used_is_refused_at_the_start(name: str) -> None:
    """An unknown provider, a missing package and a missing key are told in one line that names the model."""
    with pytest.raises(ConfigurationError) as caught:
        check_configuration(Settings(model=name))
    message = str(caught.value)
    assert message.startswith(f"{name!r} ")
    assert "\n" not in message
    assert re.search(r"install the extra of that provider|use local, none, or provider:model", message)


@pytest.mark.parametrize(
    ("check", "model", "checks"),
    [("none", "", None), ("provider", "", "openai:m"), ("provider", "openai:n", "openai:n")],
)
def test_a_self_hosted_server_needs_no_more_than_its_address(
    check: Check, model: str, checks: str | None, tmp_path: Path
) -> None:
    """VLLM and its like are spoken to as OpenAI, at a base URL; such a model may check itself, or another one it."""
    os.environ["OPENAI_API_KEY"] = "none"
    url = "http://127.0.0.1:9/v1"
    settings = Settings(model="openai:m", model_url=url, check=check, check_model=model, data=tmp_path)
    check_configuration(settings)
    opened = holder.open_models(settings, lambda what, done, total: None)
    assert isinstance(opened, CapableModels)
    assert (opened.writer.name, opened.checker and opened.checker.name, opened.alive) == ("openai:m", checks, True)


def test_a_missing_model_file_is_refused_at_the_start(tmp_path: Path) -> None:
    """The file and the setting are named."""
    with pytest.raises(ConfigurationError, match=r"absent\.gguf does not exist: set ASSISTANT_MODEL_FILE"):
        check_configuration(Settings(model_file=str(tmp_path / "absent.gguf")))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Settings(), "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
        (Settings(model_file="/models/other.gguf"), "other.gguf"),
        (Settings(model="none"), "none"),
        (Settings(model="openai:gpt"), "openai:gpt"),
    ],
)
def test_the_model_has_a_name_before_it_is_loaded(settings: Settings, name: str) -> None:
    """The answer tells what it was written by: a file or a provider's model."""
    assert model_name(settings) == name


# Loading, and a dead engine


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a shell script in place of the engine's Python: it says that it is ready and lives until its input closes."""
    script = tmp_path / "child"
    script.write_text("#!/bin/sh\necho loading\necho ready\nexec cat\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return script


def local(tmp_path: Path) -> Settings:
    """Return settings for the embedded engine with a file that only the script sees."""
    file = tmp_path / "model.gguf"
    file.touch()
    return Settings(model_file=str(file), data=tmp_path / "data")


def hold(settings: Settings, model: LanguageModel | None = None, articles: Sequence[Article] = ()) -> ModelHolder:
    """Return a holder that has tried to load its model, or has this one."""
    opened = (lambda *_: model) if model else None
    held = ModelHolder(settings, articles, open_them=opened, restart_seconds=(0.0,))
    held.wait()
    return held


def engine_of(held: ModelHolder) -> Engine:
    """Return the engine of the operator's model file."""
    models = held.get()
    assert isinstance(models, CapableModels)
    assert models.writer._engine is not None
    return models.writer._engine


@pytest.mark.parametrize("script", ["echo loading", "exec cat"], ids=["ends", "hangs"])
def test_an_engine_that_does_not_start_says_so(child: Path, tmp_path: Path, script: str) -> None:
    """A child that ends before it is ready, or is not when its time is up, is an error with what may be missing."""
    child.write_text(f"#!/bin/sh\n{script}\n")

    class Hasty(Engine):
        start_seconds = 0.2 if script == "exec cat" else Engine.start_seconds

    with pytest.raises(ModelError, match="did not start: look whether there is enough memory"):
        Hasty(child, tmp_path / "slots", 1, 512)


@pytest.mark.usefixtures("child")
def test_what_another_version_of_the_engine_has_read_is_deleted(tmp_path: Path) -> None:
    """This one cannot read it, and nobody else would ever delete it; its own folder is kept."""
    settings = local(tmp_path)
    hold(settings).close()
    (own,) = (settings.data / "slots").iterdir()
    (settings.data / "slots" / "another-1.0").mkdir()
    for other in ("article.bin", "another-1.0/article.bin"):
        (settings.data / "slots" / other).touch()
    hold(settings).close()
    assert list((settings.data / "slots").rglob("*")) == [own]


def test_what_to_run_is_said_where_the_engine_is_not_installed(tmp_path: Path) -> None:
    """It is the command that installs the extra."""
    with pytest.raises(ConfigurationError, match="engine is not installed: run ") as raised:
        holder._kept(tmp_path, "no-such-engine")
    assert str(raised.value).endswith(weights.INSTALL)


@pytest.mark.usefixtures("child")
def test_a_dead_engine_is_started_again(tmp_path: Path) -> None:
    """Killing the child loses the model for a moment: nothing is waited for, and the next one is another process."""
    with closing(hold(local(tmp_path))) as held:
        first = engine_of(held)
        assert held.state.kind == "ready"
        os.kill(first._process.pid, signal.SIGKILL)
        while first.alive:
            time.sleep(0.01)
        assert held.get() is None
        held.wait()
        second = engine_of(held)
        assert second._process.pid != first._process.pid
        assert held.state.kind == "ready"
        del first
        gc.collect()  # What the dead engine had left open would warn here.
    assert not second.alive


def test_an_engine_that_starts_at_a_later_try_is_ready(child: Path, tmp_path: Path) -> None:
    """One that cannot start, at first or again, makes the model unavailable, and why is told, until a try goes well."""
    good = child.read_text()
    child.write_text("#!/bin/sh\n")
    with closing(hold(local(tmp_path))) as held:
        for _time in ("at first", "again"):
            assert isinstance(held.state.error, ModelError)
            assert "model.gguf" in held.state.error.cure
            child.write_text(good)
            assert held.get() is None
            held.wait()
            assert held.state.kind == "ready"
            engine_of(held).close()
            child.write_text("#!/bin/sh\n")
            assert held.get() is None
            held.wait()


@pytest.mark.usefixtures("child")
def test_a_closed_holder_starts_nothing_again(tmp_path: Path) -> None:
    """After closing there is no model, and asking for it brings none back."""
    held = hold(local(tmp_path))
    held.close()
    assert held.get() is None
    held.wait()
    assert held.get() is None


@pytest.mark.usefixtures("child")
def test_a_file_with_another_hash_is_never_loaded(tmp_path: Path) -> None:
    """A model file that is not the one the operator named fails closed, and trying again would not help."""
    file = tmp_path / "model.gguf"
    file.write_bytes(b"other")
    held = hold(Settings(model_file=str(file), model_sha256="0" * 64, data=tmp_path / "data"))
    assert held.get() is None
    held.wait()
    assert "damaged or not the official one" in str(held.state.error)


def test_no_model_is_a_state_of_its_own() -> None:
    """ "None" is neither loading nor unavailable."""
    held = hold(Settings(model="none"))
    assert (held.state, held.get()) == (ModelState("none"), None)


def test_closing_while_it_loads_ends_the_engine() -> None:
    """An engine that gets ready after closing is ended, so no process is left behind; until then there is none."""
    loaded, stub = threading.Event(), StubEngine()

    def slowly(*_: object) -> LanguageModel:
        loaded.wait(10)
        return packaged(ScriptedModel(), stub)

    held = ModelHolder(Settings(model="scripted:test"), (), open_them=slowly)
    assert (held.state, held.get()) == (ModelState("loading"), None)
    held.close()
    loaded.set()
    held.wait()
    assert not stub.alive
    assert held.get() is None


HERE, GONE = Article("here", "It is here.", "Here"), Article("gone", "It is gone.", "Gone")


def test_an_article_that_cannot_be_read_costs_only_speed() -> None:
    """As where the disk is full: whoever asks about it is answered all the same."""
    model = ScriptedModel()
    model.enqueue(Reply("", error=RuntimeError("full")))
    one = packaged(model, StubEngine(kept=frozenset()))
    held = hold(Settings(model="local"), one)
    held.read_now(one, HERE)
    assert (len(model.prompts), model.replies, held.state.kind) == (1, [], "ready")


def test_what_checks_a_provider_reads_the_articles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged model is loaded beside the provider's, reads what answers are checked against, and ends with it."""
    os.environ["OPENAI_API_KEY"] = "none"
    stub, model = StubEngine(), ScriptedModel()
    monkeypatch.setattr(holder, "_packaged", lambda *_: packaged(model, stub))
    url = "http://127.0.0.1:9/v1"
    held = hold(Settings(model="openai:some-model", model_url=url, check="local", data=tmp_path), articles=[HERE])
    assert [options["reads_article"] for options in model.options] == [True]
    assert held.name == "openai:some-model"
    held.close()
    assert not stub.alive


def test_what_was_read_of_an_article_that_went_meanwhile_is_deleted() -> None:
    """Its text is nowhere, and so nothing that was made of it stays; nor what was read before the server began."""
    stub = StubEngine(kept=frozenset())
    one = packaged(ScriptedModel(), stub)
    held = hold(Settings(model="local"), one)
    assert stub.told == [set()]
    held.renew([HERE])
    held.read_now(one, HERE)
    assert stub.told[1:] == [{one._kept_as(HERE)}]
    held.read_now(one, GONE)
    assert stub.told[2:] == [{one._kept_as(HERE)}]
