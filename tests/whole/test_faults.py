"""What may go wrong, by number, and the test that holds it; "no test" has its reason.

Index and disk

     1  the indexer is killed at each of its steps
        test_faults.py::test_a_killed_indexer_leaves_nothing_wrong
     2  the power fails between writing an index and putting it in use
        test_faults.py::test_a_killed_indexer_leaves_nothing_wrong
        test_index.py::test_what_a_killed_build_had_written_is_deleted
     3  the disk is full while an index is built
        test_faults.py::test_a_disk_that_fills_while_indexing_costs_nothing
        test_faults.py::test_a_disk_without_room_is_not_begun_on
     4  the disk is full while questions are answered
        test_faults.py::test_a_full_disk_stops_no_search
     5  the folder of the index cannot be written
        test_faults.py::test_a_folder_that_may_only_be_read_is_named
        test_index.py::test_a_folder_that_cannot_be_made_is_named
     6  a segment's folder is gone
        test_index.py::test_damage_costs_a_rebuild
        test_installation.py::test_a_damaged_index_file_is_named
     7  a file of the graph is cut
        test_index.py::test_damage_costs_a_rebuild
        test_installation.py::test_a_damaged_index_file_is_named
     8  a file of the graph is random bytes, which can crash Chroma
        test_index.py::test_damage_costs_a_rebuild
        test_installation.py::test_what_the_checksums_do_not_see_is_found_by_searching
     9  the database is empty, garbage or half there
        test_index.py::test_damage_costs_a_rebuild
        test_installation.py::test_what_the_checksums_do_not_see_is_found_by_searching
    10  a byte of what is stored has changed
        test_installation.py::test_a_damaged_index_file_is_named
        test_installation.py::test_changed_articles_are_named
        test_index.py::test_whatever_follows_is_found_and_no_text_is_embedded_twice
    11  two processes start on one folder
        test_index.py::test_a_second_process_is_kept_out
        test_index.py::test_the_same_process_is_kept_out_too
        test_cli.py::test_what_a_person_can_mend_is_one_line
    12  the index is of another embedding model
        test_index.py::test_another_embedder_is_another_index
        test_installation.py::test_an_index_of_another_embedder_is_named
    13  the index is of another version of ours
        test_faults.py::test_an_index_of_another_release_is_never_searched
    14  articles are indexed while readers ask
        test_index.py::test_a_second_process_is_kept_out
        test_index.py::test_processes_share_a_server
        test_deploy.py::test_a_rolling_restart_loses_no_question
        test_benchmarks.py::test_who_asks_while_articles_are_indexed_is_answered
        no test: a process reads its articles at its start alone, so no answer can come from two indexes
        no test: how fast it is meanwhile is measured by `load --indexed`, since times are no test
    15  articles are none, tiny, huge, or without title and date
        test_faults.py::test_articles_of_every_size_are_found
        test_index.py::test_an_empty_corpus_has_an_empty_index
        test_articles.py::test_a_file_that_cannot_be_used_is_named_with_the_reason
        test_articles.py::test_a_file_without_title_is_titled_by_its_name
        test_answering.py::test_what_the_front_matter_lacks_is_declined
        test_passages.py::test_a_million_characters_are_split_in_seconds
        test_cli.py::test_index_names_what_it_skips_and_does_nothing_twice
    16  an article has odd bytes
        test_faults.py::test_words_among_odd_bytes_are_found_where_they_stand
        test_fuzzing.py::test_any_file_is_an_article_or_has_a_reason
        test_articles.py::test_encodings_give_the_same_article
        test_articles.py::test_normalised_text_hides_nothing
        test_page_bars.py::test_what_an_article_says_is_inert
    17  an article is there twice
        test_articles.py::test_an_id_is_given_once
        test_index.py::test_whatever_follows_is_found_and_no_text_is_embedded_twice

Model

    18  the model's server refuses, has no address, or speaks no TLS
        test_model_faults.py::test_a_server_that_is_not_there_leaves_the_quotation
        test_faults.py::test_a_model_server_that_cannot_be_reached_leaves_the_quotation
    19  it hangs before its first word
        test_model_faults.py::test_a_fault_of_the_server_leaves_the_quotation
        test_model_faults.py::test_a_server_is_let_go_when_the_time_is_up
        test_chat.py::test_the_next_question_gets_its_turn
    20  it stalls after its first word
        test_model_faults.py::test_a_fault_of_the_server_leaves_the_quotation
        test_model_faults.py::test_the_time_is_counted_once
    21  it drips for ever
        test_model_faults.py::test_what_came_before_the_time_was_up_is_checked_like_any_answer
        test_chat.py::test_a_dripping_stream_ends_at_the_deadline
    22  it answers 500, 503 or 429
        test_model_faults.py::test_a_fault_of_the_server_leaves_the_quotation
        test_model_faults.py::test_what_keeps_failing_is_asked_twice
        test_model_faults.py::test_a_fault_that_passes_is_not_noticed
    23  it sends what is none of its protocol
        test_model_faults.py::test_a_fault_of_the_server_leaves_the_quotation
        test_model_faults.py::test_every_behaviour_is_tried
    24  its stream breaks off or never ends
        test_model_faults.py::test_a_fault_of_the_server_leaves_the_quotation
        test_chat.py::test_a_stream_that_was_cut_off_is_not_complete
        test_answering.py::test_a_draft_that_was_cut_off_is_not_shown
    25  it says nothing, or only thinks
        test_model_faults.py::test_a_fault_of_the_server_leaves_the_quotation
        test_chat.py::test_an_empty_answer_is_an_error
    26  it runs out of room, or repeats itself
        test_model_faults.py::test_a_fault_of_the_server_leaves_the_quotation
        test_answering.py::test_of_a_draft_that_was_cut_off_the_finished_sentence_is_shown
        test_answering.py::test_an_answer_is_at_most_two_sentences
    27  it invents quotations, citations, links or markup
        test_answering.py::test_what_the_model_invents_is_never_shown
        test_answering.py::test_whatever_the_model_says_only_what_passed_is_shown
        test_answering.py::test_what_an_injection_makes_the_model_say_is_never_shown
        test_page_bars.py::test_what_strangers_write_is_inert
    28  the key, the model or the provider is wrong
        test_holder.py::test_a_model_that_cannot_be_used_is_refused_at_the_start
        test_model_faults.py::test_what_would_fail_again_is_asked_once
    29  the engine crashes, is killed, or its file is missing or another
        test_end_to_end.py::test_a_killed_engine_costs_one_written_answer
        test_chat.py::test_an_engine_that_lost_the_connection_is_asked_once_more
        test_chat.py::test_an_engine_that_died_is_not_asked_again
        test_holder.py::test_a_dead_engine_is_started_again
        test_holder.py::test_an_engine_that_starts_at_a_later_try_is_ready
        test_holder.py::test_an_engine_that_cannot_start_makes_the_model_unavailable
        test_holder.py::test_a_missing_model_file_is_refused_at_the_start
        test_holder.py::test_a_file_with_another_hash_is_never_loaded
        test_weights.py::test_anything_but_the_official_file_leaves_nothing_behind
    30  the conversation is longer than the model reads
        test_model_faults.py::test_a_long_conversation_leaves_room_for_the_passages

Readers and network

    31  up to 300 ask at once
        test_door.py::test_a_question_too_many_is_refused_before_it_is_taken_up
        test_door.py::test_a_page_begins_although_nobody_can_ask
        test_door.py::test_the_page_shows_the_refusal_and_keeps_the_question
        test_service.py::test_a_full_line_says_so_at_once
        no test: how fast it is with 300 is measured by `load`, since times are no test
    32  questions come for two hours
        test_soak.py::test_questions_leave_nothing_behind
        no test: two hours are longer than a test may take; `load --soak 120` runs so long
    33  a reader leaves in the middle of an answer
        test_page.py::test_leaving_the_page_ends_the_work
        test_service.py::test_the_model_stops_within_two_seconds
        test_service.py::test_who_leaves_frees_the_place
        test_api.py::test_a_lost_connection_stops_the_model
    34  a reader stops, asks twice, tries again or clears meanwhile
        test_page.py::test_stopping_ends_the_work
        test_page.py::test_a_failure_leaves_the_box_usable_and_can_be_tried_again
        test_page.py::test_the_last_question_can_be_changed
    35  one visitor has several tabs
        test_page_history.py::test_two_tabs_go_on_each_by_itself
        no test: seven tabs over HTTP/1.1 meet the browser's own limit of six connections; HTTP/2 lifts it
    36  a client is slow to send or to take
        test_server.py::test_headers_that_do_not_end_are_not_waited_for
        test_server.py::test_a_body_that_does_not_end_is_not_waited_for
        test_server.py::test_a_reader_who_takes_nothing_is_given_up
        test_server.py::test_a_body_of_any_size_is_not_read
    37  a question is empty, too long, odd, or looks like code
        test_service.py::test_a_question_is_checked_on_the_server
        test_understanding.py::test_cleaning_leaves_what_a_reader_sees
        test_understanding.py::test_a_question_without_a_word_is_asked_for_again
        test_understanding.py::test_the_longest_question_passes_and_one_more_character_does_not
        test_api.py::test_a_question_is_only_ever_text
        test_page_bars.py::test_what_strangers_write_is_inert
    38  a program misuses the interface, or forges a history
        test_hostile.py::test_every_input_of_every_function_takes_what_the_page_sends_and_nothing_else
        test_hostile.py::test_there_is_no_other_way_to_a_function
        test_hostile.py::test_any_request_gets_what_the_description_says
        test_server.py::test_what_the_page_does_not_need_is_not_there
        test_api.py::test_a_request_that_makes_no_sense_is_refused_in_one_form
        test_api.py::test_other_methods_are_refused
        test_api.py::test_no_request_is_a_defect
    39  addresses are made up, or change within one home
        test_api.py::test_who_asks_is_only_what_a_trusted_proxy_says
        test_limits.py::test_no_address_of_a_home_has_a_budget_of_its_own
        test_hostile.py::test_what_is_no_proper_request_is_refused_with_the_headers_of_every_response
    40  one reader asks too often, or a school has one address
        test_page_bars.py::test_who_asks_too_often_is_told_when_to_ask_again
        test_service.py::test_who_asks_too_often_is_told_when_to_ask_again
        test_service.py::test_a_school_behind_one_address_can_be_let_in

Process and machine

    41  the server is told to stop while it answers
        test_faults.py::test_a_server_told_to_stop_answers_who_has_asked
        test_service.py::test_those_who_have_asked_get_their_answer_before_the_end
        test_service.py::test_the_end_does_not_wait_for_ever
        test_cli.py::test_the_page_is_served_until_the_process_is_told_to_stop
    42  the server is killed while it answers
        test_faults.py::test_a_killed_server_answers_again_after_its_restart
        test_page_bars.py::test_a_lost_connection_keeps_the_question
        test_index.py::test_a_killed_process_frees_the_folder
    43  the clock jumps, and leap days
        test_faults.py::test_a_clock_that_jumps_changes_no_answer
        test_limits.py::test_the_clock_of_the_limits_never_goes_back
        test_articles.py::test_front_matter_is_read
    44  feedback is spam, huge, a formula, many at once, or finds the disk full
        test_faults.py::test_feedback_that_finds_the_disk_full_is_not_thanked_for
        test_feedback.py::test_unknown_reasons_are_dropped_and_comments_cut
        test_feedback.py::test_no_report_is_lost_when_many_come_at_once
        test_feedback.py::test_a_full_file_takes_no_more_and_loses_nothing
        test_service.py::test_feedback_is_kept_or_the_reader_is_told
        test_evaluation_export.py::test_a_spreadsheet_runs_no_formula
    45  there is no network
        test_offline.py::test_nobody_is_asked_for_an_address
        test_settings.py::test_libraries_are_told_to_stay_offline
    46  settings, port, folder, Python or model file are not as they must be
        test_settings.py::test_an_unknown_variable_is_refused
        test_settings.py::test_a_bad_whole_number_is_refused
        test_cli.py::test_a_busy_port_is_a_matter_of_configuration
        test_index.py::test_a_folder_that_cannot_be_made_is_named
        test_holder.py::test_a_missing_model_file_is_refused_at_the_start
        no test: that Python is too old is said by pip, which reads `requires-python` before it installs anything
    47  the log cannot be written
        test_faults.py::test_a_log_that_cannot_be_written_stops_no_answer
    48  a question or an article gives the model orders
        test_injections.py::test_what_an_obedient_model_says_is_not_shown
        test_injections.py::test_without_a_model_nobody_is_obeyed
        test_injections.py::test_a_buried_command_stands_beside_the_answer
    49  the folder is of an earlier release
        test_faults.py::test_an_index_of_another_release_is_never_searched
        test_index.py::test_what_another_release_of_chroma_wrote_is_not_opened
        test_weights.py::test_a_damaged_record_only_costs_another_check

The browser

    50  it is small, magnified, without mouse or script, read aloud, printed, or its network fails
        test_accessibility.py::test_no_state_of_a_page_has_a_barrier
        test_page_bars.py::test_everything_can_be_done_with_the_keyboard
        test_page_bars.py::test_nothing_is_cut_or_covered
        test_page_bars.py::test_a_conversation_can_be_printed
        test_page_bars.py::test_a_network_that_holds_the_stream_back_is_noticed
        test_page.py::test_the_chat_works_without_its_own_script
        no test: cookies that are off change nothing, as none is needed without a proxy before several processes
"""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import faulty_endpoint
import httpx
import pytest
from conftest import WordEmbedder
from served import OPEN, WRITTEN, ScriptedAssistant
from test_cli import child
from test_feedback import lines
from test_index import built, finds_itself, free_port, ids, made, sealed
from test_model_faults import CRIME, assemble
from test_service import STRANGER, run
from test_weights import full_disk

from assistant.articles.passages import passages, sentences
from assistant.articles.reading import read_corpus
from assistant.errors import ConfigurationError
from assistant.search import collection
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.settings import PROJECT, Settings
from assistant.types import Article, Status
from assistant.web.feedback import Feedback
from assistant.web.service import NOT_SAVED, THANKS, Service

TESTS = PROJECT / "tests"

# The list of cases


def cases() -> dict[int, list[str]]:
    """Return the lines under each number of the list above."""
    found: dict[int, list[str]] = {}
    for line in (__doc__ or "").splitlines():
        if match := re.match(r" +(\d+)  \S", line):
            found[int(match[1])] = []
        elif line.startswith(" " * 8):
            found[max(found)].append(line.strip())
    return found


def test_every_case_is_held() -> None:
    """Each number has a test that exists, or a reason in words."""
    assert list(cases()) == [*range(1, 51)]
    for number, held in cases().items():
        assert held, f"case {number} has neither a test nor a reason"
        for entry in held:
            file, separator, name = entry.partition("::")
            if separator:
                assert name in names_of_tests(next(TESTS.rglob(file))), f"case {number}: there is no {entry}"
            else:
                assert re.fullmatch(r"no test: .{30,}", entry), f"case {number}: {entry!r} is neither test nor reason"


@functools.cache
def names_of_tests(file: Path) -> set[str]:
    """Return the names of the tests in a file, which is not imported for it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


# Index and disk


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """Return, by the change that the indexer was killed at, what was found after each step."""
    changes = ("nothing", "first", "little")
    processes = {
        change: subprocess.Popen(
            [sys.executable, "tests/killed.py", str(tmp_path_factory.mktemp(change)), change],
            cwd=PROJECT,
            env=os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'tests' / 'search'}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for change in changes
    }
    said = {change: process.communicate()[0].splitlines() for change, process in processes.items()}
    assert [process.returncode for process in processes.values()] == [0, 0, 0]
    return {change: [json.loads(line) for line in lines] for change, lines in said.items()}


@pytest.mark.parametrize("change", ["nothing", "first", "little"])
def test_a_killed_indexer_leaves_nothing_wrong(killed: dict[str, list[dict[str, object]]], change: str) -> None:
    """Killed at any step, it leaves the index before whole, and the next run completes and clears everything away."""
    *before, last = killed[change]
    assert [step for step in killed[change] if step["wrong"]] == []
    assert len(before) > 20
    assert all(step["killed"] for step in before)
    assert not last["killed"]


@pytest.mark.parametrize("stage", ["copying what there is", "building"])
def test_a_disk_that_fills_while_indexing_costs_nothing(tmp_path: Path, stage: str) -> None:
    """The error is one line with the folder and a cure, the index before still answers, and nothing is left behind."""
    old, new = [made("oslo", 10)], [made("oslo", 10), made("lima", 1000)]
    built(old, tmp_path)
    before = sealed(tmp_path)
    largest = max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    with (
        full_disk(after=largest // 2 if stage != "building" else largest + 4096),
        pytest.raises(ConfigurationError) as raised,
    ):
        open_index(new, WordEmbedder(), tmp_path)
    assert re.fullmatch(
        rf"The index at {tmp_path} cannot be used \(.*\): make room there, or set ASSISTANT_DATA to another folder",
        str(raised.value),
    )
    assert built(old, tmp_path).embedded == 0
    assert sealed(tmp_path) == before


def test_a_disk_without_room_is_not_begun_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is embedded the error says how much room is needed and how much there is."""
    usage = shutil.disk_usage(tmp_path)._replace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    embedder = WordEmbedder()
    with pytest.raises(ConfigurationError, match=r"needs about \d+ MB, and .* has 3 MB: make room there"):
        open_index([made("oslo", 10)], embedder, tmp_path)
    assert embedder.embedded == []


def test_a_full_disk_stops_no_search(tmp_path: Path) -> None:
    """An open index needs no room: everything is found while nothing can be written."""
    articles = [made("oslo", 100), made("lima", 10)]
    with closing(open_index(articles, WordEmbedder(), tmp_path)) as index, full_disk(after=0):
        assert finds_itself(index, articles)


LAW_ABIDING = """
import ctypes, sys
# Root may write everywhere; without its capabilities it may do what permissions say.
ctypes.CDLL(None, use_errno=True).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
from assistant.cli import app
app(["index"])
"""


def test_a_folder_that_may_only_be_read_is_named(tmp_path: Path) -> None:
    """An index in a folder without write permission ends the command with exit code 2 and one line."""
    data, articles = tmp_path / "data", tmp_path / "articles"
    articles.mkdir()
    (articles / "a.md").write_text("The mayor spoke.")
    (data / "index").mkdir(parents=True)
    (data / "index").chmod(0o555)
    result = subprocess.run(
        [sys.executable, "-c", LAW_ABIDING],
        cwd=PROJECT,
        env=os.environ | {"ASSISTANT_DATA": str(data), "ASSISTANT_ARTICLES": str(articles)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: The folder {data}/index cannot be written (Permission denied): set ASSISTANT_DATA to another one\n"
    )


def test_an_index_of_another_release_is_never_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of an earlier or later schema is built anew, whole, and then used."""
    articles = [made("oslo", 10)]
    for schema in ("1", "99", collection.SCHEMA):
        with monkeypatch.context() as other:
            other.setattr(collection, "SCHEMA", schema)
            before = set(tmp_path.glob("*/chroma.sqlite3"))
            assert built(articles, tmp_path).passages == len(ids(articles))
            after = set(tmp_path.glob("*/chroma.sqlite3"))
            assert len(after) == 1
            assert not before & after
            assert built(articles, tmp_path).passages == len(ids(articles))
            assert set(tmp_path.glob("*/chroma.sqlite3")) == after
    with closing(open_index(articles, WordEmbedder(), tmp_path)) as index:
        assert finds_itself(index, articles)


def found_in(folder: Path, data: Path) -> Sequence[Article]:
    """Read the articles of a folder, hold each of their passages to be found by its own words, and return them."""
    articles = read_corpus(folder).articles
    embedder = WordEmbedder()
    with closing(open_index(articles, embedder, data)) as index:
        for passage in (passage for article in articles for passage in passages(article)):
            found = index.search(embedder.embed_query(passage.text), 5, passage.article.id)
            assert found.get(passage.id, 0.0) == pytest.approx(1.0, abs=1e-3) == max(found.values())
    return articles


def test_articles_of_every_size_are_found(tmp_path: Path) -> None:
    """One letter, one sentence, one endless line and a long article stand side by side; the empty file is named."""
    texts = {
        "letter": "x",
        "sentence": "The mayor spoke.",
        "line": " ".join(f"word{number}" for number in range(3000)),
        "long": made("oslo", 200).text,
        "empty": "",
    }
    (folder := tmp_path / "articles").mkdir()
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    assert {article.id: article.text for article in found_in(folder, tmp_path / "data")} == {
        name: text for name, text in texts.items() if text
    }
    assert [problem.file for problem in read_corpus(folder).problems] == ["empty.txt"]


SENTENCE = "The bridge across the harbour was closed in March."
ODD = {
    "mark": b"\xef\xbb\xbf%s",
    "line ends": b"One.\r\n\r\nTwo.\r%s\x0b\x0cThree.",
    "direction": "\u202eabc\u202c \u05e9\u05dc\u05d5\u05dd. \u0645\u0631\u062d\u0628\u0627.\n\n%s".encode(),
    "joined": ("\U0001f469\u200d\U0001f52c" * 50 + " \u0065\u0301. %s").encode(),
    "hidden": "\u200b\U000e0041\U000e0042\ufeff%s\u00ad".encode(),
    "controls": b"\x1b[31m\x07\x7f. %s",
    "markup": b"<script>alert(1)</script> <img src=x onerror=alert(1)>.\n\n%s",
    "one line": " ".join(f"Line {number} goes on and on, and nobody has seen its end." for number in range(70)).encode()
    + b" %s",
}


def test_words_among_odd_bytes_are_found_where_they_stand(tmp_path: Path) -> None:
    """Whatever stands around a sentence, its passage is found, and its offsets point at exactly its words."""
    (folder := tmp_path / "articles").mkdir()
    for name, content in ODD.items():
        (folder / f"{name}.md").write_bytes(content.replace(b"%s", SENTENCE.encode()))
    articles = found_in(folder, tmp_path / "data")
    assert len(articles) == len(ODD)
    for article in articles:
        assert SENTENCE in {sentence.text for sentence in sentences(article)}


# Model


@pytest.mark.parametrize("fault", ["no TLS", "no such name"])
def test_a_model_server_that_cannot_be_reached_leaves_the_quotation(
    fault: str, article: Article, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that speaks no TLS and a name that nobody knows are told within the time, beside the quotation."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def nobody_knows(host: str | bytes | None, *_: object, **__: object) -> list[tuple[object, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not known")

    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as plain:
        threading.Thread(target=plain.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = f"https://127.0.0.1:{plain.server_address[1]}/v1"
        if fault == "no such name":
            monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
            url = "http://model.test/v1"
        with closing(assemble(article, Settings(model="openai:m", model_url=url, answer_seconds=3.0))) as assistant:
            first, *_, final = assistant.stream(CRIME)
        plain.shutdown()
    assert (first.status, final.final) == (Status.QUOTED, True)
    assert first.citations
    assert re.fullmatch(r"The model failed: \w+", final.error or "")
    assert final.timings.total_ms is not None
    assert final.timings.total_ms < 3000


# Process, readers and machine


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder that the servers have one after the other, so that the article is embedded once."""
    return tmp_path_factory.mktemp("data")


@contextmanager
def served(data: Path, model_url: str, log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the real program in a process of its own and yield it with its address, when its small models are loaded."""
    port = free_port()
    environment = {
        "ASSISTANT_DATA": str(data),
        "ASSISTANT_PORT": str(port),
        "ASSISTANT_MODEL": "openai:m",
        "ASSISTANT_MODEL_URL": model_url,
        "ASSISTANT_ANSWER_SECONDS": "3",
        "OPENAI_API_KEY": "none",
    }
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=PROJECT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("The article assistant is at ")
            address = f"http://127.0.0.1:{port}"
            while not httpx.get(f"{address}/readyz", timeout=30).is_success:
                time.sleep(0.1)
            yield process, address
        finally:
            process.kill()


def asked(address: str) -> httpx.Response:
    """Ask about the article that ships."""
    return httpx.post(f"{address}/api/ask", json={"question": CRIME}, timeout=30)


@contextmanager
def asked_meanwhile(address: str, endpoint: faulty_endpoint.Endpoint) -> Iterator[list[httpx.Response | Exception]]:
    """Ask in a thread, and go on when the model is at work; afterwards what came of it is in the list."""
    came: list[httpx.Response | Exception] = []

    def ask() -> None:
        try:
            came.append(asked(address))
        except httpx.HTTPError as error:
            came.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    patience = time.monotonic() + 30
    while not (endpoint.bodies or came) and time.monotonic() < patience:
        time.sleep(0.02)
    yield came
    thread.join()


def assert_answered(response: httpx.Response | Exception) -> None:
    """Hold a response to an answer of the article with its citation."""
    assert isinstance(response, httpx.Response)
    assert response.status_code == 200
    assert response.json()["status"] in ("answered", "quoted", "declined")
    assert response.json()["citations"] or response.json()["closest"]


def test_a_server_told_to_stop_answers_who_has_asked(data: Path, tmp_path: Path) -> None:
    """After SIGTERM whoever has asked gets the answer, nobody else does, and the process ends with exit code 0."""
    log = tmp_path / "log"
    with faulty_endpoint.running() as endpoint, served(data, endpoint.address, log) as (process, address):
        endpoint.behaviour = "drips"
        with asked_meanwhile(address, endpoint) as came:
            assert came == []
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(httpx.ConnectError):
                raise_unless_refused(address)
        assert process.wait(timeout=30) == 0
    assert_answered(came[0])
    assert "Traceback" not in log.read_text()


def raise_unless_refused(address: str) -> None:
    """Ask a server that is stopping: its words, or its closed door."""
    response = asked(address)
    if (response.status_code, response.json()["status"]) == (503, "shutting_down"):
        raise httpx.ConnectError("it said that it is stopping")


def test_a_killed_server_answers_again_after_its_restart(data: Path, tmp_path: Path) -> None:
    """A server killed in the middle of an answer loses that one alone: the index is whole, and the next is given."""
    record = data / "index" / "CURRENT.json"
    with faulty_endpoint.running() as endpoint:
        endpoint.behaviour = "drips"
        with served(data, endpoint.address, tmp_path / "log") as (process, address):
            before = record.read_bytes()
            with asked_meanwhile(address, endpoint) as came:
                assert came == []
                process.kill()
        assert isinstance(came[0], httpx.HTTPError)
        endpoint.behaviour = "answers"
        with served(data, endpoint.address, tmp_path / "log") as (process, address):
            assert_answered(asked(address))
            assert record.read_bytes() == before


def test_a_log_that_cannot_be_written_stops_no_answer(data: Path) -> None:
    """With its log on a full device the server starts, answers every question, and ends when it is told to."""
    with (
        faulty_endpoint.running() as endpoint,
        served(data, endpoint.address, Path("/dev/full")) as (process, address),
    ):
        for behaviour in ("answers", "500"):
            endpoint.behaviour = behaviour
            assert_answered(asked(address))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


_UNLOADABLE = """
from assistant.search import embedder


def load(folder):
    raise OSError("its file is gone")


embedder._load = load
from assistant.cli import app

app(["serve"])
"""


def test_small_models_that_cannot_be_loaded_end_the_server(tmp_path: Path, real_embedder: SentenceEmbedder) -> None:
    """The page is there already, but a supervisor sees that the program has failed, and an operator why."""
    settings = Settings(data=tmp_path, model="none")
    open_index(read_corpus(settings.articles).articles, real_embedder, tmp_path / "index").close()
    ended = child(
        "-c",
        _UNLOADABLE,
        ASSISTANT_DATA=str(tmp_path),
        ASSISTANT_MODEL="none",
        ASSISTANT_PORT=str(free_port()),
    )
    assert ended.returncode == 1
    assert ended.stdout.startswith("The article assistant is at ")
    assert "OSError: its file is gone" in ended.stderr


def test_a_clock_that_jumps_changes_no_answer(article: Article, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock set back or forward by years while the model writes neither ends the answer nor holds it up."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    now = time.time()
    jumps = iter(range(10**9))
    with faulty_endpoint.running() as endpoint:
        settings = Settings(model="openai:m", model_url=endpoint.address, answer_seconds=3.0)
        with closing(assemble(article, settings)) as assistant:
            expected = assistant.ask(CRIME)
            monkeypatch.setattr(time, "time", lambda: now + (-1) ** next(jumps) * 10**9)
            answer = assistant.ask(CRIME)
    assert replace(answer, timings=expected.timings) == expected
    assert answer.error is None
    assert answer.timings.total_ms is not None
    assert 0 <= answer.timings.total_ms < 3000


def test_feedback_that_finds_the_disk_full_is_not_thanked_for(tmp_path: Path) -> None:
    """The reader is told that it could not be saved, what was saved before can be read, and the next one is saved."""
    file = tmp_path / "feedback.sqlite3"
    report = Feedback(replace(WRITTEN, question="How?"), helpful=False)

    async def scenario(service: Service) -> list[str]:
        before = await service.give_feedback(report, client=STRANGER)
        with full_disk(after=0):
            meanwhile = await service.give_feedback(report, client=STRANGER)
        assert len(lines(file)) == 1
        return [before, meanwhile, await service.give_feedback(report, client=STRANGER)]

    assert run(ScriptedAssistant(), scenario, replace(OPEN, feedback=file)) == [THANKS, NOT_SAVED, THANKS]
    assert len(lines(file)) == 2
