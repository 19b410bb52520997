"""Text for the summarizer: markup taken away, cut into sections, sentences and words.

Reads Markdown, reStructuredText and plain text. Pure functions; opens no files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A section without headings is cut after so many sentences, so that progress can be told.
SECTION_SENTENCES = 20
MIN_WORDS = 4

_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.M | re.S)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_DIRECTIVE = re.compile(r"^\.\. .*(\n[ \t]+.*|\n(?=\n[ \t]))*", re.M)
_RST_HEADING = re.compile(r"^(\S.*)\n([=~^\"'*+#-])\2{2,}[ \t]*$", re.M)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$")
_INLINE = (
    (re.compile(r"!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])"), ""),
    (re.compile(r"\[([^\]]+)\](\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"`{1,2}([^`]+)`{1,2}_{0,2}"), r"\1"),
    (re.compile(r"</?[A-Za-z][^>]*>"), ""),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)([*_])(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
)
_BULLET = re.compile(r"^\s*([-*+]|\d{1,3}[.)])\s+")
_RULE = re.compile(r"^\s*([-*_=]\s*){3,}$")
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9À-ÖØ-Þ])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|St|No|Fig)|\b[A-Z])\.$")
_WORD = re.compile(r"[^\W_][\w'’-]*")

_STOP_WORDS = """
a about after all also an and any are as at be because been before being between both but by can
cannot could did do does done each for from had has have having he her here his how if in into
is it its just like may me more most must my no nor not now of on once one only or other our out
over own same she should so some such than that the their them then there these they this those
through to too under until up us use used very was we were what when where which while who whom
whose why will with within without would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document: its heading (empty for none) and its sentences in order."""

    title: str
    sentences: tuple[str, ...]


def sections(text: str) -> list[Section]:
    """Cuts a document into sections; those without a sentence are left out."""
    found: list[Section] = []
    for title, body in _parts(_without_blocks(text)):
        lines = split_sentences(body)
        for start in range(0, len(lines), SECTION_SENTENCES):
            found.append(Section(title, tuple(lines[start : start + SECTION_SENTENCES])))
    return found


def title_of(text: str) -> str:
    """Gives the first heading of a document, or empty text."""
    for title, _ in _parts(_without_blocks(text)):
        if title:
            return title
    return ""


def split_sentences(text: str) -> list[str]:
    """Cuts plain text into sentences; a paragraph or a list item ends one as well."""
    found: list[str] = []
    for block in _blocks(text):
        pending = ""
        for piece in _END.split(block):
            pending = f"{pending} {piece}" if pending else piece
            if not _ABBREVIATION.search(pending):
                found.append(pending)
                pending = ""
        if pending:
            found.append(pending)
    return [sentence for sentence in found if len(words(sentence)) >= MIN_WORDS]


def words(sentence: str) -> list[str]:
    """Gives the words of a sentence in lower case."""
    return _WORD.findall(sentence.lower())


def terms(sentence: str) -> list[str]:
    """Gives the words that carry meaning, with the plain English plural taken off."""
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in words(sentence)
        if word not in STOP_WORDS and len(word) > 1 and not word.isdigit()
    ]


def _without_blocks(text: str) -> str:
    text = text.replace("\r\n", "\n")
    for pattern in (_FRONT_MATTER, _FENCE, _COMMENT, _DIRECTIVE):
        text = pattern.sub("", text)
    return _RST_HEADING.sub(r"# \1", text)


def _parts(text: str) -> list[tuple[str, str]]:
    """Gives (heading, body) pairs; the text before the first heading has an empty one."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in text.split("\n"):
        heading = _HEADING.match(line)
        if heading:
            parts.append((_plain(heading[1]), []))
        else:
            parts[-1][1].append(line)
    return [(title, "\n".join(lines)) for title, lines in parts]


def _blocks(text: str) -> list[str]:
    """Gives paragraphs and list items as one line each; tables, rules and code are left out."""
    blocks: list[list[str]] = [[]]
    for line in text.split("\n"):
        bullet = _BULLET.match(line)
        if not line.strip() or line.lstrip().startswith("|") or _RULE.match(line):
            blocks.append([])
        elif bullet:
            blocks.append([line[bullet.end() :]])
        elif blocks[-1] or not line.startswith(("    ", "\t")):
            blocks[-1].append(line.strip().removeprefix("> "))
    return [_plain(" ".join(lines)) for lines in blocks if lines]


def _plain(line: str) -> str:
    for pattern, replacement in _INLINE:
        line = pattern.sub(replacement, line)
    return " ".join(line.split())
