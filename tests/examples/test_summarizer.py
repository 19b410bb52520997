"""The summarizer chooses sentences that a reader would, from the markup that people write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from examples.summarize.summarizer import Ranking, choose
from examples.summarize.text import sections, split_sentences, title_of
from tests.house.toolbox import ROOT

MARKDOWN = """---
tags: none of this
---
# The harbour

![a picture](x.png) The **harbour** of [the town](http://x) is the largest harbour on the coast.
It rained on Tuesday all day long.

```python
never = "this harbour is code, and code is not text."
```

| a | table | of harbours |
|---|---|---|

## Ships

- Ships of the harbour carry grain, e.g. wheat and rye, to the largest towns.
- The harbour master counts ships, and the coast guard counts the harbour master.

Nobody remembers why the lighthouse is painted green and yellow.
"""


def _summary(text: str, count: int) -> list[str]:
    parts = sections(text)
    ranking = Ranking(parts)
    return choose([one for n in range(len(parts)) for one in ranking.section(n)], count)


def test_markup_code_and_tables_are_no_text() -> None:
    parts = sections(MARKDOWN)
    assert [part.title for part in parts] == ["The harbour", "Ships"]
    text = " ".join(sentence for part in parts for sentence in part.sentences)
    assert "The harbour of the town is the largest harbour on the coast." in text
    for absent in ("never", "table", "**", "](", "tags", "picture"):
        assert absent not in text


def test_headings_of_both_markups_are_titles() -> None:
    assert title_of(MARKDOWN) == "The harbour"
    assert title_of("Guide\n=====\n\nSome text that stands below it.\n") == "Guide"
    assert title_of("just text") == ""


def test_abbreviations_end_no_sentence() -> None:
    assert split_sentences(
        "Use a tool, e.g. Make or Ninja, for that. It builds what has changed."
    ) == [
        "Use a tool, e.g. Make or Ninja, for that.",
        "It builds what has changed.",
    ]


def test_what_the_document_is_about_wins_over_the_weather() -> None:
    summary = _summary(MARKDOWN, 2)
    assert summary[0] == "The harbour of the town is the largest harbour on the coast."
    assert len(summary) == 2
    assert not any("rained" in sentence or "lighthouse" in sentence for sentence in summary)


def test_a_sentence_that_repeats_a_chosen_one_is_passed_over() -> None:
    text = (
        "The hub keeps no state of its own on disk. "
        "The hub keeps no state of its own on disk at all. "
        "Workers connect to a hub and take runs from it."
    )
    assert _summary(text, 2)[-1] == "Workers connect to a hub and take runs from it."


def test_a_document_without_sentences_has_an_empty_summary() -> None:
    assert sections("# Title\n\n```\ncode\n```\n") == []
    assert _summary("", 3) == []


def test_the_same_document_gives_the_same_summary_in_another_process() -> None:
    code = (
        "import json, sys\n"
        "from tests.examples.test_summarizer import _summary, MARKDOWN\n"
        "print(json.dumps(_summary(MARKDOWN, 3)))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == _summary(MARKDOWN, 3)


def test_every_page_of_this_repository_can_be_summarized() -> None:
    for page in [*ROOT.glob("*.md"), *Path(ROOT / "docs").rglob("*.md")]:
        assert _summary(page.read_text(), 3), page
