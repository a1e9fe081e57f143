"""The optional judge, a model behind a real server of OpenAI's protocol: what it is asked and what becomes of it."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from evaluated import ROWS, evaluate_with, give, never_declines, perfect, write

from assistant.errors import ConfigurationError
from assistant.evaluation.evaluate import Demands, rescore
from assistant.evaluation.reporting.report import render
from assistant.evaluation.scoring.judge import FAILURES, Judge, open_judge

SHOWN = [row["id"] for row in ROWS if row.get("evidence")]
"""The questions for which a perfect assistant shows an answer."""


@dataclass
class Server:
    """A model that judges by a rule of the test."""

    address: str
    verdict: Callable[[str], object] = lambda prompt: True
    """What it says of a prompt: true or false, or an exception that it fails with."""
    prompts: list[str] = field(default_factory=list)
    """Every prompt so far."""

    @property
    def judge(self) -> Judge:
        """How it is named to the evaluation."""
        return Judge("openai:a-judge", self.address)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a judge at an address of this machine."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][-1]["content"]
            found.prompts.append(prompt)
            said = found.verdict(prompt)
            status = 500 if isinstance(said, Exception) else 200
            content = json.dumps({"reasoning": f"Because of {len(prompt)} characters.", "score": said}, default=str)
            message = {"role": "assistant", "content": content}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "a-judge", "choices": [choice]}
            sent = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        found = Server(f"http://127.0.0.1:{http.server_port}/v1")
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield found
        http.shutdown()


def asked_of(server: Server, question: str) -> str:
    """Return the prompt that holds a question."""
    (prompt,) = [prompt for prompt in server.prompts if question in prompt]
    return prompt


def test_the_judge_reads_question_gold_and_answer(tmp_path: Path, server: Server) -> None:
    """It is asked once about each answer that was shown, and not again while answer, gold and judge are the same."""
    demands = Demands(judge=server.judge)
    content = evaluate_with(perfect(), tmp_path / "run", demands=demands)
    assert len(server.prompts) == len(SHOWN)
    prompt = asked_of(server, "And who pays half of that?")
    assert "What do the repairs cost?" in prompt
    assert "Required: state." in prompt
    prompt = asked_of(server, "Why does the town pay for all of the repairs?")
    assert "The article does not answer the question." in prompt
    assert "Wrong: the town pays." in prompt
    assert "An ideal answer: They cost 4.2 million dollars." in asked_of(server, "Required: 4.2 million.")
    judged = content["judge"]
    assert (judged["model"], judged["n"], judged["failed"]) == ("openai:a-judge", len(SHOWN), 0)
    assert judged["agreement"] == {"share": 1.0, "kappa": None, "n": len(SHOWN)}
    rows = {row["id"]: row["judge"] for row in content["rows"]}
    assert {name for name, said in rows.items() if said} == set(SHOWN)
    assert rows["b1"]["score"] == 1.0
    assert rows["b1"]["comment"].startswith("Because of")
    for again in (demands, Demands()):
        assert rescore(tmp_path / "run", again, lambda *_: None)["judge"] == judged
    assert len(server.prompts) == len(SHOWN)
    mended = write(tmp_path, [{**ROWS[0], "must_have": [["nine months"]]}, *ROWS[1:]])
    assert rescore(tmp_path / "run", demands, lambda *_: None, mended)["judge"]["n"] == len(SHOWN)
    assert len(server.prompts) == len(SHOWN) + 1
    rescore(tmp_path / "run", Demands(judge=Judge("openai:another", server.address)), lambda *_: None)
    assert len(server.prompts) == 2 * len(SHOWN) + 1


def test_agreement_with_the_rules_is_measured(tmp_path: Path, server: Server) -> None:
    """The share of verdicts that are the rules' too, and Cohen's kappa, which is 0 for a judge that guesses."""
    server.verdict = lambda prompt: "does not answer" not in prompt
    content = evaluate_with(perfect(never_declines), tmp_path / "run", demands=Demands(judge=server.judge))
    # The rules call the false premise right that is met with the words against it; the judge does not.
    assert content["judge"]["agreement"] == {"share": 0.9, "kappa": pytest.approx(0.7826, abs=1e-4), "n": 10}
    (correct,) = content["judge"]["measures"]
    assert (correct["value"], correct["n"]) == (0.6, 10)
    assert correct["low"] < 0.6 < correct["high"]


def test_a_judge_stands_beside_the_people_who_graded_the_same(tmp_path: Path, server: Server) -> None:
    """Its figure on what they graded, theirs, and how far they agree; or that nobody checked it."""
    server.verdict = lambda prompt: "Required: state." not in prompt
    folder = tmp_path / "run"
    content = evaluate_with(perfect(), folder, demands=Demands(judge=server.judge))
    assert content["judge"]["people"] is None
    assert "Nobody has checked this judge" in render(content)
    give(folder, {"b1": "good", "b2": "partly", "b4": "bad", "b5": "good"})
    give(folder, {"b1": "wrong"}, "bob")
    content = rescore(folder, Demands(), lambda *_: None)
    judged = content["judge"]
    # Of b1 one person says what the judge says; b5 was declined, and a refusal is not judged.
    assert judged["people"] == {"share": 0.5, "kappa": pytest.approx(0.2), "n": 4}
    figures = {measure["name"]: (measure["value"], measure["n"]) for measure in judged["measures"]}
    assert figures["judge_correct_graded"] == (pytest.approx(2 / 3), 3)
    assert figures["content_judged"] == (pytest.approx(1 / 6), 3)
    page = render(content)
    assert "agrees with people who read the answers on 0.500 of 4 grades" in page
    assert "Nobody has checked" not in page


def test_an_unreadable_verdict_is_counted_and_asked_for_again(tmp_path: Path, server: Server) -> None:
    """What is no verdict is counted as failed and never as a low score; the next run asks for it again."""
    server.verdict = lambda prompt: "perhaps" if "safest" in prompt else True
    demands = Demands(judge=server.judge)
    content = evaluate_with(perfect(), tmp_path / "run", demands=demands)
    assert content["judge"]["failed"] == 1
    assert content["judge"]["agreement"]["n"] == len(SHOWN) - 1
    (row,) = [row for row in content["rows"] if row["id"] == "b2"]
    assert row["judge"]["score"] is None
    assert "perhaps" in row["judge"]["comment"]
    server.verdict = lambda prompt: True
    asked = len(server.prompts)
    assert rescore(tmp_path / "run", demands, lambda *_: None)["judge"]["failed"] == 0
    assert len(server.prompts) == asked + 1


def test_a_dead_judge_is_given_up(tmp_path: Path, server: Server) -> None:
    """After some failures in a row it is left alone; the run and every other figure stand."""
    server.verdict = lambda prompt: RuntimeError("no")
    content = evaluate_with(perfect(), tmp_path / "run", demands=Demands(judge=server.judge))
    assert content["judge"]["failed"] == FAILURES
    assert content["judge"]["agreement"] == {"share": None, "kappa": None, "n": 0}
    assert content["complete"]
    assert render(content)


def test_a_killed_judging_goes_on(tmp_path: Path, server: Server) -> None:
    """A verdict that was cut off in the middle is asked for again, and no other; a damaged one is named."""
    demands = Demands(judge=server.judge)
    evaluate_with(perfect(), tmp_path / "run", demands=demands)
    path = tmp_path / "run" / "judgements.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    asked = len(server.prompts)
    rescore(tmp_path / "run", demands, lambda *_: None)
    assert len(server.prompts) == asked + 1
    assert path.read_bytes() == whole
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(ConfigurationError, match=r"judgements\.jsonl, line 1 is damaged"):
        rescore(tmp_path / "run", Demands(), lambda *_: None)


@pytest.mark.usefixtures("server")
def test_a_model_does_not_judge_itself_unless_told_to() -> None:
    """The model that wrote the answers is refused as their judge, by name; the evaluator may insist."""
    with pytest.raises(
        ConfigurationError, match="would judge itself: name another with --judge, or add --judge-itself"
    ):
        open_judge(Judge("openai:m"), "openai:m")
    assert open_judge(Judge("openai:m", itself=True), "openai:m")._llm_type == "openai-chat"


@pytest.mark.parametrize("name", ["a-judge", "nobody:a-judge", "local", ""])
def test_an_unknown_judge_is_refused_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    """The message says how a judge is named; no question was asked and no folder made."""
    assistant = perfect()
    with pytest.raises(ConfigurationError, match=r"^The judge '.*' cannot be used .*: name it as provider:model"):
        evaluate_with(assistant, tmp_path / "run", demands=Demands(judge=Judge(name)))
    assert assistant.asked == []
    assert not (tmp_path / "run").exists()
