"""One cell of a table is asked for: its row is quoted, with the head that names the columns."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from answers import assemble, checked

from assistant.answering.assistant import Assistant
from assistant.answering.packaged.calibration import Fits
from assistant.answering.understanding.overview import Wanted, sentences_of
from assistant.articles.reading import read_corpus
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import Retriever
from assistant.types import Outcome

FILES = {
    "council.md": """# Greens gain as Brackwater council changes hands

The Greens more than doubled their seats on Brackwater council on Thursday, and nobody won a majority.

Turnout was 41 percent, two points more than in 2022. Talks between the Greens and Labour begin on Monday.

| Party | Seats | Change | Share of the vote |
|---|---|---|---|
| Labour | 19 | −6 | 34.2% |
| Conservatives | 14 | −2 | 27.5% |
| Greens | 12 | +7 | 22.8% |
| Liberal Democrats | 3 | +1 | 11.0% |

Labour's leader, Mo Iqbal, said that the result was “a message about buses, and we have heard it.”
""",
    "ferries.md": """# Winter timetable cuts three island sailings

The ferry company will run fewer boats to the islands from November, it said on Tuesday.

Fuel costs a third more than a year ago, according to the company. Passengers on Orsay say that they were not asked.

| Island | First boat | Last boat | Single fare | Boats a day |
|---|---|---|---|---|
| Orsay | 07:15 | 17:40 | £6.20 | 4 |
| Kerrin | 08:00 | 18:05 | £8.90 | 3 |
| Little Vass | 09:30 | 15:10 | £11.40 | 1 |

The timetable is in force until March 28. “We will look at it again in spring,” a spokesman said.
""",
    "catch.md": """# The catch of the islands falls for a third year

The boats of the islands landed less herring again, the fisheries board said on Monday.

The board says that the water has become too warm. It will decide about quotas in March.

| Village | 2025 (tonnes) | 2026 (tonnes) | Boats in 2026 |
|---|---|---|---|
| Sandhaven | 412 | 388 | 14 |
| Norwick | 96 | 71 | 5 |

“We go further out every year,” said Rhona Bain, who fishes from Norwick.
""",
    "clinics.html": """<html><head><title>Waiting times grow at county clinics</title></head><body><article>
<h1>Waiting times grow at county clinics</h1><p>Patients in Dunmore County wait longer for a first appointment than a
year ago, figures that the county published on Wednesday show.</p><p>The county says that it lacks eleven doctors. It
has offered new ones a house for a year, and two have come since June.</p><table><tr><th>Clinic</th><th>Doctors</th>
<th>Days to first appointment</th><th>Days a year ago</th></tr><tr><td>Harrow Street</td><td>6</td><td>23</td>
<td>15</td></tr><tr><td>Millbank</td><td>4</td><td>41</td><td>28</td></tr><tr><td>Saint Brannoc</td><td>2</td>
<td>9</td><td>11</td></tr></table><p>“Nobody should wait six weeks to see a doctor,” said Una Fallon, who chairs the
county board of health.</p></article></body></html>""",
}
HEADS = {
    "council": "Party | Seats | Change | Share of the vote",
    "ferries": "Island | First boat | Last boat | Single fare | Boats a day",
    "catch": "Village | 2025 (tonnes) | 2026 (tonnes) | Boats in 2026",
    "clinics": "Clinic | Doctors | Days to first appointment | Days a year ago",
}


@pytest.fixture(scope="module")
def assistant(real_embedder: SentenceEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """Return an assistant without a language model that answers from three articles with a table."""
    folder: Path = tmp_path_factory.mktemp("articles")
    for name, content in FILES.items():
        (folder / name).write_text(content, encoding="utf-8")
    articles = read_corpus(folder).articles
    with closing(open_index(articles, real_embedder, tmp_path_factory.mktemp("index"))) as index:
        found = assemble(None, articles, Retriever(articles, index, real_embedder))
        found.steps = replace(found.steps, fits=Fits.read())
        yield found


@pytest.mark.parametrize(
    ("article", "question", "row"),
    [
        ("council", "How many seats did the Greens win?", "Greens | 12 | +7 | 22.8%"),
        ("council", "What share of the vote did Labour get?", "Labour | 19 | −6 | 34.2%"),
        ("council", "how many seats did the lib dems lose or gain", "Liberal Democrats | 3 | +1 | 11.0%"),
        ("ferries", "When does the last boat leave for Little Vass?", "Little Vass | 09:30 | 15:10 | £11.40 | 1"),
        ("ferries", "How much is a single to Kerrin?", "Kerrin | 08:00 | 18:05 | £8.90 | 3"),
        ("ferries", "how many boats a day go to Orsay", "Orsay | 07:15 | 17:40 | £6.20 | 4"),
        ("catch", "How many tonnes did Norwick land in 2026?", "Norwick | 96 | 71 | 5"),
        ("catch", "how many boats does Sandhaven have", "Sandhaven | 412 | 388 | 14"),
        ("clinics", "How many doctors does Millbank have?", "Millbank | 4 | 41 | 28"),
        ("clinics", "How long do you wait for an appointment at Saint Brannoc?", "Saint Brannoc | 2 | 9 | 11"),
        ("clinics", "How many days was the wait at Harrow Street a year ago?", "Harrow Street | 6 | 23 | 15"),
    ],
)
@pytest.mark.parametrize("only", [True, False])
def test_a_row_is_quoted_with_its_head_and_no_other_row(
    article: str,
    question: str,
    row: str,
    only: bool,  # noqa: FBT001
    assistant: Assistant,
) -> None:
    """The head comes first, whether one article is asked or all of them."""
    answer = checked(assistant.stream(question, (), article if only else None))
    assert answer.outcome is Outcome.QUOTED
    rows = [line for each in (*answer.citations, *answer.more) for line in each.quote.split("\n") if "| " in line]
    assert rows == [HEADS[article], row]


def test_an_overview_has_no_row(assistant: Assistant) -> None:
    """It is told in sentences."""
    for article in assistant.corpus.articles:
        assert "| " not in " ".join(each.text for each in sentences_of(article, Wanted.GIST))
