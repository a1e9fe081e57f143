"""Which model answers: what is refused at the start, loading in the background, and a dead engine."""

import gc
import os
import re
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Reply, ScriptedModel
from test_chat import StubEngine, embedded

from assistant.errors import ConfigurationError, ModelError
from assistant.model import engine, holder, weights
from assistant.model.chat import LanguageModel
from assistant.model.engine import Engine
from assistant.model.holder import ModelHolder, check_configuration, model_name
from assistant.settings import Settings
from assistant.types import Article

# Configuration


@pytest.mark.parametrize(
    "name", ["nonsense:model", "no-such-provider-or-model", "openai:gpt-4.1-mini", "mistralai:small", ":", "local:x"]
)
def test_a_model_that_cannot_be_used_is_refused_at_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown provider, a missing package and a missing key are told in one line that names the setting."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        check_configuration(Settings(model=name))
    message = str(caught.value)
    assert message.startswith(f"ASSISTANT_MODEL is {name!r}: ")
    assert "\n" not in message
    assert re.search(r"install it$|use local, none, or provider:model", message)


def test_a_self_hosted_server_needs_no_more_than_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """VLLM and its like are spoken to as OpenAI, at a base URL."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    settings = Settings(model="openai:some-model", check="none", model_url="http://127.0.0.1:9/v1")
    check_configuration(settings)
    opened = holder.open_language_model(settings, lambda what, done, total: None)
    assert opened is not None
    assert (opened.name, opened.alive) == ("openai:some-model", True)


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
    monkeypatch.setattr(holder, "RESTART_SECONDS", (0.0,))
    return script


def local(tmp_path: Path) -> Settings:
    """Return settings for the embedded engine with a file that only the script sees."""
    file = tmp_path / "model.gguf"
    file.touch()
    return Settings(model_file=str(file), data=tmp_path / "data")


def hold(settings: Settings) -> ModelHolder:
    """Return a holder that has tried to load its model."""
    held = ModelHolder(settings, (), lambda what, done, total: None)
    held.wait()
    return held


def test_an_engine_is_alive_until_it_is_closed(child: Path, tmp_path: Path) -> None:
    """The child is gone after closing."""
    running = Engine(child, tmp_path / "kept", 1)
    assert running.alive
    assert Path(f"/proc/{running.process_id}").exists()
    running.close()
    assert not running.alive


@pytest.mark.parametrize("script", ["echo loading", "exec cat"], ids=["ends", "hangs"])
def test_an_engine_that_does_not_start_says_so(
    child: Path, tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that ends before it is ready, or is not when its time is up, is an error with what may be missing."""
    child.write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setattr(engine, "START_SECONDS", 0.2 if script == "exec cat" else engine.START_SECONDS)
    with pytest.raises(ModelError, match="did not start: is there enough memory"):
        Engine(child, tmp_path / "slots", 1)


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


def test_an_engine_that_is_not_installed_makes_the_model_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to run is said."""
    monkeypatch.setattr(holder, "ENGINE_PACKAGE", "no-such-engine")
    with closing(hold(local(tmp_path))) as held:
        assert held.state == f"unavailable: The language model's engine is not installed: run {weights.INSTALL}"


@pytest.mark.usefixtures("child")
def test_a_dead_engine_is_started_again(tmp_path: Path) -> None:
    """Killing the child loses the model for a moment: nothing is waited for, and the next one is another process."""
    with closing(hold(local(tmp_path))) as held:
        first = held.get()
        assert first is not None
        assert first._engine is not None
        assert held.state == "ready"
        process_id = first._engine.process_id
        os.kill(process_id, signal.SIGKILL)
        while first.alive:
            time.sleep(0.01)
        assert held.get() is None
        held.wait()
        second = held.get()
        assert second is not None
        assert second._engine is not None
        assert second._engine.process_id != process_id
        assert held.state == "ready"
        del first
        gc.collect()  # What the dead engine had left open would warn here.
    assert not second.alive


def test_an_engine_that_starts_at_a_later_try_is_ready(child: Path, tmp_path: Path) -> None:
    """One that cannot start, at first or again, makes the model unavailable, and why is told, until a try goes well."""
    good = child.read_text()
    child.write_text("#!/bin/sh\n")
    with closing(hold(local(tmp_path))) as held:
        for _time in ("at first", "again"):
            assert held.state.startswith("unavailable: The language model's engine did not start")
            assert "model.gguf" in held.state
            child.write_text(good)
            assert held.get() is None
            held.wait()
            assert held.state == "ready"
            model = held.get()
            assert model is not None
            model.close()
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
    assert "damaged or not the official one" in held.state


def test_no_model_is_a_state_of_its_own() -> None:
    """ "none" is neither loading nor unavailable."""
    held = hold(Settings(model="none"))
    assert (held.state, held.get()) == ("none", None)


def test_a_model_is_loaded_while_others_go_on(monkeypatch: pytest.MonkeyPatch, model: ScriptedModel) -> None:
    """Until it is loaded there is none, at once; then there is."""
    loaded = threading.Event()

    def slowly(_settings: Settings, _progress: object) -> LanguageModel:
        loaded.wait(10)
        return LanguageModel(model, "scripted")

    monkeypatch.setattr(holder, "open_language_model", slowly)
    held = ModelHolder(Settings(model="scripted:test"), (), lambda what, done, total: None)
    assert (held.state, held.get()) == ("loading", None)
    loaded.set()
    held.wait()
    assert held.state == "ready"
    assert held.get() is not None


def test_closing_while_it_loads_ends_the_engine(monkeypatch: pytest.MonkeyPatch, model: ScriptedModel) -> None:
    """An engine that gets ready after closing is ended, so no process is left behind."""
    loaded = threading.Event()
    stub = StubEngine()

    def slowly(_settings: Settings, _progress: object) -> LanguageModel:
        loaded.wait(10)
        return embedded(model, stub)

    monkeypatch.setattr(holder, "open_language_model", slowly)
    held = ModelHolder(Settings(model="scripted:test"), (), lambda what, done, total: None)
    held.close()
    loaded.set()
    held.wait()
    assert not stub.alive
    assert held.get() is None


def test_an_article_that_cannot_be_read_costs_only_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the disk is full: whoever asks about it is answered all the same, and others are read."""
    stub, model = StubEngine(), ScriptedModel()
    model.enqueue(*[Reply("", error=RuntimeError("full"))] * 2)
    monkeypatch.setattr(holder, "open_language_model", lambda *_: embedded(model, stub))
    held = ModelHolder(Settings(model="local"), [], lambda what, done, total: None)
    held.wait()
    one = held.get()
    assert one is not None
    held.read_now(one, Article("bridge", "The bridge is open.", "Bridge"))
    assert len(model.prompts) == 2


def test_what_checks_a_provider_reads_the_articles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged model is loaded beside the provider's, and reads what answers are checked against."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr("assistant.model.weights.language_model_is_packaged", lambda: True)
    stub, packaged = StubEngine(), ScriptedModel()
    packaged.enqueue("")
    monkeypatch.setattr(holder, "_packaged", lambda *_: embedded(packaged, stub))
    settings = Settings(model="openai:some-model", model_url="http://127.0.0.1:9/v1")
    held = ModelHolder(settings, [Article("bridge", "The bridge is open.", "Bridge")], lambda what, done, total: None)
    held.wait()
    assert len(packaged.prompts) == 1
    assert held.name == "openai:some-model"
    held.close()
    assert not stub.alive


def test_what_was_read_of_an_article_that_went_meanwhile_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is nowhere, and so nothing that was made of it stays; nor what was read before the server began."""
    here, gone = Article("here", "It is here.", "Here"), Article("gone", "It is gone.", "Gone")
    stub = StubEngine()
    one = embedded(ScriptedModel(), stub)
    monkeypatch.setattr(holder, "open_language_model", lambda *_: one)
    held = ModelHolder(Settings(model="local"), [], lambda what, done, total: None)
    held.wait()
    assert stub.told == [set()]
    held.renew([here])
    held.read_now(one, here)
    assert stub.told[1:] == [{one._kept_as(here)}]
    held.read_now(one, gone)
    assert stub.told[2:] == [{one._kept_as(here)}]
