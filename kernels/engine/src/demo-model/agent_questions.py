#!/usr/bin/env python3
"""Writes questions for an agent that calculates and searches the demo's documents, with the known answers, one JSON object a line."""

import argparse
import json

from agent_generator import AgentGenerator
from documents import draw
from generator import Generator
from prompt_format import PromptFormatV3

# The method of the generator, and how many questions of it.
COUNTS = {
    "calculation_turns": 10, "lookup_turns": 14, "lookup_and_calculation": 14, "two_lookups": 12, "second_try": 6, "not_found": 6,
    "greeting": 4,
}


class Asker(AgentGenerator):
    """Asks about entities that documents tell of, or that none does."""

    def __init__(self, seed, prompt_format, known):
        super().__init__(seed, prompt_format, evaluation=True)
        self.known = known
        self.there = True

    def about(self, entity_kind):
        return self.pick(*((name, facts) for kind, there, name, facts in self.known if kind == entity_kind and there == self.there))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True, help="the tokenizer.model.v3 of mistral-common")
    parser.add_argument("--seed", type=int, default=2027, help="of the documents, as documents.py has it")
    parser.add_argument("--each", type=int, default=25, help="documents of each kind of entity, as documents.py has it")
    parser.add_argument("--absent", type=int, default=5, help="entities of each kind that no document tells of, as documents.py has it")
    parser.add_argument("--times", type=int, default=1, help="so many times as many questions")
    parser.add_argument("--out", required=True, help="JSONL file to write")
    options = parser.parse_args()
    prompt_format = PromptFormatV3(options.tokenizer)
    _, _, entities = draw(Generator(options.seed, prompt_format, evaluation=True), options.each, options.absent)
    known = [(kind, document is not None, name, facts) for kind, document, name, facts in entities]
    asker = Asker(options.seed, prompt_format, known)
    rows, asked, numbers = [], set(), {}
    for method, count in COUNTS.items():
        asker.there = method != "not_found"
        wanted = len(rows) + count * options.times
        while len(rows) < wanted:
            turns = getattr(asker, method)()
            question, kind = turns[0].messages[-1]["content"], turns[0].kind.removeprefix("agent_")
            if question not in asked:
                asked.add(question)
                numbers[kind] = numbers.get(kind, 0) + 1
                row = {"custom_id": f"{kind.replace('_', '-')}-{numbers[kind]}", "kind": kind}
                rows.append(row | {"prompt": question, "expected": turns[-1].answer})
    # Kinds in turn, so that the first rows show many of them.
    rows.sort(key=lambda row: int(row["custom_id"].rsplit("-", 1)[1]) / numbers[row["kind"]])
    with open(options.out, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    main()
