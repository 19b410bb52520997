"""An extractive summarizer: picks the sentences that say most of what a document says.

Sentences of a section vote for each other by their common terms (TextRank over TF-IDF
vectors); those nearest to the whole document win, early ones before late ones, and a sentence
that repeats a chosen one loses. Pure Python, no clock, no randomness.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from examples.summarize.text import Section, terms

DAMPING = 0.85
ROUNDS = 20
# Weights of: votes in the section, nearness to the document, place.
VOTES, NEARNESS, PLACE = 0.4, 0.45, 0.15
# How much of a sentence's score is taken when it repeats one that was chosen.
REDUNDANCY = 0.45
# Shorter sentences say little by themselves; longer ones are lists in disguise.
GOOD_LENGTH = (6, 40)

Vector = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A sentence with its score and where it stands (section, sentence)."""

    sentence: str
    score: float
    place: tuple[int, int]
    vector: Vector


class Ranking:
    """Ranks the sentences of one document, section by section."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = sections
        self._weights = _term_weights(sections)
        everything = [sentence for section in sections for sentence in section.sentences]
        self._centre = _sum([self._vector(sentence) for sentence in everything])

    def section(self, number: int) -> list[Ranked]:
        """Scores the sentences of a section."""
        sentences = self._sections[number].sentences
        vectors = [self._vector(sentence) for sentence in sentences]
        votes = _votes(vectors)
        early = 1.0 / (1 + number)
        ranked: list[Ranked] = []
        for at, (sentence, vector) in enumerate(zip(sentences, vectors, strict=True)):
            score = (
                VOTES * votes[at]
                + NEARNESS * cosine(vector, self._centre)
                + PLACE * (early + 1.0 / (1 + at)) / 2
            )
            ranked.append(Ranked(sentence, score * _length(sentence), (number, at), vector))
        return ranked

    def keywords(self, count: int) -> list[str]:
        """Gives the terms that weigh most over the document."""
        by_weight = sorted(self._centre.items(), key=lambda item: (-item[1], item[0]))
        return [term for term, _ in by_weight[:count]]

    def _vector(self, sentence: str) -> Vector:
        counts = Counter(terms(sentence))
        return {term: count * self._weights[term] for term, count in counts.items()}


def choose(ranked: Sequence[Ranked], count: int) -> list[str]:
    """Chooses `count` sentences, best first without repeating, and gives them in text order."""
    left = sorted(ranked, key=lambda one: (-one.score, one.place))
    chosen: list[Ranked] = []
    while left and len(chosen) < count:
        best = max(left, key=lambda one: one.score * (1 - REDUNDANCY * _repeats(one, chosen)))
        left.remove(best)
        chosen.append(best)
    return [one.sentence for one in sorted(chosen, key=lambda one: one.place)]


def cosine(one: Vector, other: Vector) -> float:
    """Similarity of two vectors, 0 to 1."""
    if len(other) < len(one):
        one, other = other, one
    product = sum(weight * other.get(term, 0.0) for term, weight in one.items())
    lengths = _norm(one) * _norm(other)
    return product / lengths if lengths else 0.0


def _term_weights(sections: Sequence[Section]) -> dict[str, float]:
    """Rare terms weigh more: inverse document frequency, a sentence being the document."""
    seen: Counter[str] = Counter()
    total = 0
    for section in sections:
        for sentence in section.sentences:
            seen.update(set(terms(sentence)))
            total += 1
    return {term: math.log(1 + total / count) for term, count in seen.items()}


def _votes(vectors: Sequence[Vector]) -> list[float]:
    """TextRank by power iteration, scaled so that the best sentence has 1."""
    size = len(vectors)
    if size < 2:
        return [1.0] * size
    links = [
        [cosine(one, other) if i != j else 0.0 for j, other in enumerate(vectors)]
        for i, one in enumerate(vectors)
    ]
    given = [sum(row) for row in links]
    ranks = [1.0 / size] * size
    for _ in range(ROUNDS):
        ranks = [
            (1 - DAMPING) / size
            + DAMPING * sum(ranks[j] * links[j][i] / given[j] for j in range(size) if given[j] > 0)
            for i in range(size)
        ]
    best = max(ranks)
    return [rank / best for rank in ranks]


def _repeats(one: Ranked, chosen: Sequence[Ranked]) -> float:
    return max((cosine(one.vector, other.vector) for other in chosen), default=0.0)


def _length(sentence: str) -> float:
    size = len(sentence.split())
    short, long = GOOD_LENGTH
    if size < short:
        return size / short
    return 1.0 if size <= long else long / size


def _sum(vectors: Sequence[Vector]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for vector in vectors:
        total.update(vector)
    return dict(total)


def _norm(vector: Vector) -> float:
    return math.sqrt(sum(weight * weight for weight in vector.values()))
