"""Check that the built site answers questions: each must have its page among the first results of a search.

    python docs/check_search.py [FOLDER]

The search is one over the site's own index, ``search.json``, by rules like those of the site: words match by
their beginning, and rare words and words of titles count more. Prints the questions whose page is not found,
with what is found instead, and ends with 1 if there are any. Add a question when somebody could not find an
answer.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SITE = Path(__file__).parent / "_site"
FIRST = 3  # pages that somebody looks at
TITLE, PATH = 4, 2  # how often a word of a title, or of the way to the page, counts
SHORTEST = 3  # letters of a word that is matched by its beginning

# words as people type them, and the page that answers
QUESTIONS = {
    "install pip": "how-to/install/",
    "resume after crash": "journal/",
    "continue a killed run": "map/",
    "run command for every file in folder": "map/",
    "parallel xargs replacement": "coming-from/",
    "joblib Parallel": "coming-from/joblib/",
    "make pattern rule": "coming-from/make/",
    "snakemake wildcards": "coming-from/snakemake/",
    "step functions map state": "coming-from/step-functions/",
    "rate limit requests per second": "limits/",
    "retry 429 Retry-After": "limits/",
    "budget dollars": "limits/",
    "hide api key secret": "limits/",
    "threads or processes": "bench/",
    "csv delimiter semicolon": "batch/",
    "read sqlite query": "batch/",
    "write results to csv file": "batch/",
    "parquet": "batch/",
    "command hangs timeout": "how-to/troubleshooting/",
    "exit code 3": "how-to/troubleshooting/",
    "Ctrl-C": "cli/",
    "bash completion": "cli/",
    "quote file names with spaces in shell": "shell/",
    "template filters default value": "templates/",
    "if condition skip node": "document/",
    "loop until": "document/",
    "parallel branches": "document/",
    "sub-workflow": "document/",
    "openai prompt json schema": "nodes/",
    "mcp server": "nodes/",
    "async function": "python/",
    "progress bar tqdm": "python/",
    "html report": "reporting/",
    "watch a running run": "reporting/",
    "perfetto trace": "reporting/",
    "dask cluster certificates": "how-to/cluster/",
    "slurm": "how-to/slurm/",
    "cron every night": "how-to/nightly/",
    "resize images": "how-to/photos/",
    "ffmpeg": "how-to/transcode/",
    "sha256 checksum": "how-to/checksums/",
    "pickle error": "how-to/troubleshooting/",
    "out of memory": "how-to/troubleshooting/",
    "pocketflow import": "pocketflow/",
    "write my own node type": "python/",
    # what somebody asked in the first hour
    "command not found batchmill": "how-to/troubleshooting/",
    "cron PATH command not found": "how-to/nightly/",
    "missing extra pip install": "how-to/install/",
    "environment variable in template": "templates/",
    "resume only failed items": "cli/",
    "where is the journal saved": "journal/",
    "rename files": "map/",
    "find duplicate files": "how-to/checksums/",
    "requests per minute": "limits/",
    "ollama local model": "how-to/label/",
    "retry a flaky command": "document/",
    "convert joblib script": "coming-from/joblib/",
    "compare two runs": "reporting/",
    "delete old runs": "journal/",
    "results as csv": "batch/",
    "private address localhost": "limits/",
    "when condition": "document/",
    "tsv tab separated": "batch/",
    "idempotency key": "templates/",
    "cache results between runs": "journal/",
    "estimate cost before running": "how-to/label/",
    "email when job fails": "how-to/nightly/",
    "kill child processes": "shell/",
    "exit code 75": "how-to/troubleshooting/",
}

Words = Counter[str]


@dataclass(frozen=True)
class Section:
    """A section of a page, and how often it has each word."""

    page: str
    words: Words


class Index:
    def __init__(self, site: Path) -> None:
        raw = json.loads((site / "search.json").read_text())
        self._separator = re.compile(raw["config"]["separator"])
        self.sections = [self._section(item) for item in raw["items"]]
        self.pages = {section.page for section in self.sections}
        self._average = sum(one.words.total() for one in self.sections) / len(self.sections)

    def _section(self, item: dict[str, str | list[str]]) -> Section:
        words: Words = Counter()
        fields = ((item["title"], TITLE), (" ".join(item["path"]), PATH), (item["text"], 1))
        for text, weight in fields:
            for word in self._words(re.sub("<[^>]*>", " ", str(text))):
                words[word] += weight
        return Section(str(item["location"]).partition("#")[0], words)

    def _words(self, text: str) -> list[str]:
        return [word.strip("?.;'{}<>$") for word in self._separator.split(text.lower()) if word]

    def found(self, question: str) -> list[str]:
        """The pages that have any of the words, the best first: each by the best of its sections (BM25)."""
        scores: Counter[str] = Counter()
        best: dict[str, float] = {}
        counts = [self._matches(word) for word in self._words(question)]
        for number, section in enumerate(self.sections):
            score = sum(self._score(count, number) for count in counts)
            best[section.page] = max(best.get(section.page, 0.0), score)
        scores.update({page: score for page, score in best.items() if score > 0})  # type: ignore[arg-type]
        return [page for page, _ in scores.most_common()]

    def _matches(self, typed: str) -> dict[int, int]:
        """By number of the section, how often it has the word, or one that begins with it."""
        begins = len(typed) >= SHORTEST
        found = {}
        for number, section in enumerate(self.sections):
            words = section.words.items() if begins else [(typed, section.words[typed])]
            if n := sum(
                count for word, count in words if word == typed or (begins and word.startswith(typed))
            ):
                found[number] = n
        return found

    def _score(self, counts: dict[int, int], number: int) -> float:
        if number not in counts:
            return 0.0
        rare = math.log(1 + (len(self.sections) - len(counts) + 0.5) / (len(counts) + 0.5))
        length = self.sections[number].words.total() / self._average
        return rare * counts[number] * 2.2 / (counts[number] + 1.2 * (0.25 + 0.75 * length))


def main() -> int:
    index = Index(Path(sys.argv[1] if len(sys.argv) > 1 else SITE))
    missed = 0
    for question, page in QUESTIONS.items():
        found = index.found(question)[:FIRST]
        if page not in found:
            missed += 1
            there = "" if page in index.pages else ", which is no page"
            print(f"{question!r} does not lead to {page}{there}, but to {', '.join(found) or 'nothing'}")
    print(f"{len(QUESTIONS)} questions, {missed} without their page among the first {FIRST}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
