#!/usr/bin/env python3
"""Writes the demo's documents, and questions whose answers stand in them, one JSON object a line."""

import argparse
import json

from generator import FILLER, NOT_THERE, Generator
from prompt_format import PromptFormat

KINDS = ("person", "town", "company", "thing")


def entities(generator, kind, count):
    """Names and facts of entities of one kind, no two of which have the same name."""
    found = {}
    while len(found) < count:
        name, facts = generator.about(kind)
        found.setdefault(name, facts)
    return list(found.items())


def draw(generator, each, absent):
    """
    Documents, questions to them, and what they are about: (kind, document, name, facts) of every entity, without a document
    for the last ones of each kind.
    """
    documents, questions, known = [], [], []
    for kind in KINDS:
        found = entities(generator, kind, each + absent)
        for number, (name, facts) in enumerate(found[:each], 1):
            sentences = [fact[0] for fact in facts] + generator.random.sample(FILLER, 2)
            generator.random.shuffle(sentences)
            document = f"{kind}-{number}"
            documents.append({"id": document, "kind": kind, "text": " ".join(sentences)})
            sentence, question, answer = generator.random.choice(facts)
            questions.append((document, kind, question, answer, sentence))
            known.append((kind, document, name, facts))
        for name, facts in found[each:]:
            questions.append((None, kind, facts[0][1], NOT_THERE, None))
            known.append((kind, None, name, facts))
    generator.random.shuffle(documents)
    generator.random.shuffle(questions)
    return documents, questions, known


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True, help="tokenizer.model.v1 of mistral-common")
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--each", type=int, default=25, help="documents of each kind of entity")
    parser.add_argument("--absent", type=int, default=5, help="questions of each kind that no document answers")
    parser.add_argument("--documents", required=True, help="JSONL file to write")
    parser.add_argument("--questions", required=True, help="JSONL file to write")
    options = parser.parse_args()
    prompt_format = PromptFormat(options.tokenizer)
    generator = Generator(options.seed, prompt_format, evaluation=True)
    documents, questions, _ = draw(generator, options.each, options.absent)
    with open(options.documents, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    with open(options.questions, "w", encoding="utf-8") as file:
        for number, (document, kind, question, answer, sentence) in enumerate(questions, 1):
            row = {"custom_id": f"question-{number}", "kind": kind if document else "absent", "prompt": question}
            row.update({"expected": answer, "document": document, "sentence": sentence})
            row["max_tokens"] = len(prompt_format.answer([{"role": "user", "content": question}], answer)) + 8
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
