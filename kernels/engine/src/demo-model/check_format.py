#!/usr/bin/env python3
"""Holds the format of tokenizer v3 to that of mistral-common, token by token, on examples of all kinds."""

import argparse

from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

from agent_generator import AgentGenerator
from prompt_format import PromptFormatV3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True, help="the tokenizer.model.v3 of mistral-common")
    options = parser.parse_args()
    theirs, ours = MistralTokenizer.from_file(options.tokenizer), PromptFormatV3(options.tokenizer)
    generator, count = AgentGenerator(1, ours), 0
    for kind in generator.KINDS * 20:
        for example in generator.examples(kind):
            messages = [dict(message) for message in example.messages]
            if messages[-1]["role"] == "assistant":
                messages[-1]["prefix"] = True
            request = ChatCompletionRequest(messages=messages, tools=list(example.tools) or None)
            if theirs.encode_chat_completion(request).tokens != ours.prompt(example.messages, example.tools):
                raise SystemExit(f"another prompt: {example}")
            count += 1
    print(f"{count} prompts are equal")


if __name__ == "__main__":
    main()
