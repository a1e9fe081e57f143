"""What the checker is trained on: every verdict is the right one, as far as can be told."""

import json
import random
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trained import FAR, NORMANS, entry

from assistant.articles.terms import stems
from assistant.errors import ConfigurationError
from lab.training import checks as training
from lab.training.checks import Asked, Check, Group, even, groups, groups_of_reports, made_checks, own_checks
from lab.training.reports import VERDICTS, Report, ReportQuestion

GROUP = Group(NORMANS, [Asked("Who was the leader?", "Rollo"), Asked("Who was the queen?", "")])


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (None, "line 1"),
        ([entry("A"), {}], "article 2"),
        ([{"paragraphs": [{"context": "", "qas": [{}]}]}], "article 1"),
    ],
)
def test_a_file_of_another_format_is_named(tmp_path: Path, data: object, place: str) -> None:
    """One line says where a file is not as SQuAD's are."""
    (file := tmp_path / "dev.json").write_text(json.dumps({"data": data}))
    with pytest.raises(ConfigurationError, match=rf"dev\.json, {place}: not .*SQuAD"):
        training.read_entries(file)


@given(generator=st.randoms(use_true_random=False))
def test_a_question_has_an_answer_only_where_the_passages_hold_it(generator: random.Random) -> None:
    """A question of another paragraph, or with a word exchanged, has none."""
    found = groups([entry("A")], generator)
    assert len(found) == 2  # Nothing is asked about the paragraph between.
    for group in found:
        answers = {asked.question: asked.answer for asked in group.asked}
        assert all(answer in group.passages for answer in answers.values())
        here = NORMANS in group.passages
        assert answers["Who was the leader?" if here else "When did the mill burn?"] == ("Rollo" if here else "1204")
        assert answers.get("Who was the queen?", "") == ""
        if FAR not in group.passages:
            assert answers["When did the mill burn?"] == ""


@given(generator=st.randoms(use_true_random=False))
def test_one_word_is_exchanged_for_another_of_the_paragraph(generator: random.Random) -> None:
    """It is one that was not asked for nor is of the answer; where paragraph and question share none, there is none."""
    asked = Asked("Which leader came from Denmark in the 10th century?", "Rollo")
    changed = training._asked_of_another(asked, NORMANS, generator)
    assert changed is not None
    pairs = zip(asked.question.rstrip("?").split(), changed.rstrip("?").split(), strict=True)
    ((_, new),) = [(old, new) for old, new in pairs if old != new]
    assert new in NORMANS
    assert new != "Rollo"
    assert stems(new).isdisjoint(stems(asked.question))
    assert training._asked_of_another(Asked("Why?", ""), NORMANS, generator) is None


@given(generator=st.randoms(use_true_random=False))
def test_a_made_up_draft_is_right_only_with_the_answer_in_it(generator: random.Random) -> None:
    """Without an answer in the passages every draft gets a no, and a wrong one is not the sentence of the answer."""
    leader, queen = made_checks(GROUP, generator)
    assert leader.verdict in {"yes", "wrong"}
    assert queen.verdict == "no"
    if leader.verdict == "yes":
        assert "Rollo" in leader.draft
    else:
        assert "Rollo" not in leader.draft or leader.draft not in NORMANS


@given(generator=st.randoms(use_true_random=False))
def test_the_models_own_draft_is_right_with_the_words_of_the_answer(generator: random.Random) -> None:
    """One that lacks them is wrong, and where there is no answer every one gets a no."""
    right = {(c.question, c.draft, c.verdict) for c in own_checks(GROUP, ["It was Rollo.", "She was Ann."], generator)}
    assert {("Who was the leader?", "It was Rollo.", "yes"), ("Who was the queen?", "She was Ann.", "no")} <= right
    wrong = {(c.question, c.draft, c.verdict) for c in own_checks(GROUP, ["It was Charles.", "Ann."], generator)}
    assert ("Who was the leader?", "It was Charles.", "wrong") in wrong
    assert ("Who was the leader?", "It was Charles.", "yes") not in wrong


def test_a_draft_with_half_of_the_answer_is_not_learned_from() -> None:
    """Whether it is right cannot be told."""
    group = Group(NORMANS, [Asked("To whom did he swear fealty?", "King Charles")])
    drafts = {c.draft for seed in range(40) for c in own_checks(group, ["To a King."], random.Random(seed))}  # noqa: S311 - no secret
    assert "To a King." not in drafts


def test_every_verdict_is_learned_from_both_kinds_of_draft() -> None:
    """Of many draws, made-up drafts and the model's own get every verdict."""
    generator = random.Random(0)  # noqa: S311 - no secret
    made = {check.verdict for _ in range(40) for check in made_checks(GROUP, generator)}
    own = {
        check.verdict
        for _ in range(40)
        for check in own_checks(GROUP, ["Rollo swore fealty to King Charles.", "Ann."], generator)
        if check.draft.startswith("Rollo swore") or check.verdict != "yes"
    }
    assert made == own == set(VERDICTS)


@given(generator=st.randoms(use_true_random=False))
def test_what_was_written_to_a_report_takes_the_place_of_made_up_drafts(generator: random.Random) -> None:
    """A right answer gets a yes, a wrong one a no where nothing is stated; half of the questions are drafted for."""
    stated = ReportQuestion("Who was the leader?", "King Charles was.", ("Rollo",), "Rollo led them.")
    near = ReportQuestion("Who was the queen?", "Emma was the queen.")
    (group,) = groups_of_reports([Report("normans", NORMANS, [stated, near])], generator)
    assert len(group.asked) == 1
    checks = own_checks(Group(group.passages, [Asked("Who?", "")], group.written), ["A drafted answer."], generator)
    assert {(check.draft, check.verdict) for check in checks} == {
        ("Rollo led them.", "yes"),
        ("King Charles was.", "wrong"),
        ("Emma was the queen.", "no"),
        ("A drafted answer.", "no"),
    }


def test_right_and_wrong_answers_are_learned_in_either_style() -> None:
    """A right one is short or a full sentence, and so is a wrong one, whichever the other is."""
    right, near = "The Normans' leader was Rollo.", "The Normans' leader was King Charles."
    stated = ReportQuestion("Who was the leader?", "Charles.", ("Rollo",), "Rollo.", right, near)
    queen = ReportQuestion("Who was the queen?", "Emma.", near_miss="The queen married among the people of Rouen.")
    seen = set()
    for seed in range(100):
        (group,) = groups_of_reports([Report("normans", NORMANS, [stated, queen])], random.Random(seed))  # noqa: S311 - no secret
        assert [check.verdict for check in group.written] == ["yes", "wrong", "no"]
        seen.add(tuple(check.draft for check in group.written))
    assert seen == set(product((right, "Rollo."), (near, "Charles."), (queen.wrong, queen.near_miss)))


@given(generator=st.randoms(use_true_random=False))
def test_a_question_about_two_things_is_learned_from_what_was_written_alone(generator: random.Random) -> None:
    """Nothing is drafted for it: a draft may have the words of both answers and give each to the wrong one."""
    question, right = (
        "Who led the Norse, and to whom did they swear?",
        "Rollo led them, and they swore to King Charles.",
    )
    swapped = "King Charles led them, and they swore to Rollo."
    asked = ReportQuestion(question, swapped, ("Rollo", "King Charles"), right)
    (group,) = groups_of_reports([Report("normans", NORMANS, [asked])], generator)
    assert group.asked == []
    checks = own_checks(group, [], generator)
    assert {(check.draft, check.verdict) for check in checks} == {(right, "yes"), (swapped, "wrong")}


@given(generator=st.randoms(use_true_random=False))
def test_a_draft_that_was_kept_is_learned_from_with_the_verdict_that_it_got(generator: random.Random) -> None:
    """Nothing is drafted again, and of all else that was written as much is taken as there are drafts."""
    stated = ReportQuestion(
        "Who led?", "King Charles did.", ("Rollo",), "Rollo did.", draft="He led them.", verdict="wrong"
    )
    near = ReportQuestion("Who was the queen?", "Emma was the queen.", draft="Rollo was.", verdict="no")
    more = ReportQuestion("Who was the bishop?", "Emma was.")
    (group,) = groups_of_reports([Report("normans", NORMANS, [stated, near, more])], generator)
    checks = own_checks(group, [], generator)
    assert {("He led them.", "wrong"), ("Rollo was.", "no")} <= {(check.draft, check.verdict) for check in checks}
    assert len(checks) == 4


@given(st.lists(st.sampled_from(VERDICTS)), st.integers(1, 20))
def test_the_first_checks_are_of_each_verdict_as_evenly_as_may_be(verdicts: list[str], first: int) -> None:
    """No verdict is there twice more often than another of which any is left out, and nothing is lost."""
    checks = [Check("Who?", str(number), verdict) for number, verdict in enumerate(verdicts)]
    ordered = even(checks)
    assert sorted(ordered, key=lambda check: int(check.draft)) == checks
    taken = Counter(check.verdict for check in ordered[:first])
    for left in {check.verdict for check in ordered[first:]}:
        assert taken[left] >= max(taken.values()) - 1
