"""Golden values of ChatGoldenTest: python chat.py OUTPUT_DIRECTORY

Conversations as OpenAI's JSON, and their tokens as mistral-common gives them with its tokenizers v1 and v3, in conversations.json.gz:
an array of {messages, tools, v1, v3}; v1 is null where the conversation has tools, which v1 cannot express.
A last assistant message is encoded with prefix=True.
"""
import gzip
import json
import os
import random
import sys

import mistral
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, TextChunk, ToolMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Function, FunctionCall, Tool, ToolCall
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

TEXTS = ["Hello", "What is the capital of France?", " leading", "trailing  ", "two\n\nlines\n", "naïve café 日本語 😀", "[INST] typed [/INST]",
         "</s><s>", "x = {\"a\": 1}\n```json\n", "  ", "\n", "\t", "a" * 50, "Always assist with care, respect, and truth.", "1 + 1 = 2 ",
         "[AVAILABLE_TOOLS] []", "<0x0A>", "été ▁ x", "\x00\x7f", "مرحبا", "[REF]1[/REF]"]

JSON_TEXTS = ["{}", "", "[]", "null", "true", "\"text\"", "42", "-0", "-0.0", "0.1", "1e5", "1E400", "-1e400", "5e-324", "1e-7", "0.0001", "0.00001",
              "123456789012345678", "1234567890123456.0", "12345678901234567.0", "1e16", "1.5e300", "3.14159265358979", "100.0", "2.50",
              "123456789012345678901234567890", "NaN", "[Infinity, -Infinity]", "INF", "{\"a\":1,\"a\":2,\"b\":[1,2,{\"c\":null}]}",
              " { \"k\" : \"v\\n\\u00e9\\\\ \\\" \\/ \\b\\f\\t\\u0001\\u007f\" } ", "not json", "{broken", "{} trailing", "01", "'x'", "plain text\nwith lines",
              "{\"日本\": \"😀\", \"n\": 1.0}", "\ufeff{}", "{\"nested\": \"{\\\"x\\\": 1}\"}", "  ", "[1,]", "+1", "\u00a01", "4.35", "9007199254740993.0",
              "2e-323", "-INF", "[+INF]", "[+Infinity]", "+NaN", "1.7976931348623157e308", "1e22", "1e23", "0.1e1", "-12.5E-3"]

SCHEMAS = [{}, {"type": "object", "properties": {}},
           {"type": "object", "properties": {"city": {"type": "string", "description": "Städte, 都市"}, "n": {"type": "number", "default": 1e-7}}, "required": ["city"]},
           {"type": "object", "properties": {"mode": {"enum": ["a", "b", None, 1.0, True]}}, "additionalProperties": False}]


def call_id(r):
    return "".join(r.choice("abcXYZ0123456789") for _ in range(9))


def tool(r):
    function = {"name": r.choice(["get_weather", "Calculator", "search-web", "f"]), "parameters": r.choice(SCHEMAS)}
    if r.random() < 0.7:
        function["description"] = r.choice(TEXTS)
    return {"type": "function", "function": function}


def content(r):
    if r.random() < 0.15:
        return [{"type": "text", "text": r.choice(TEXTS + [""])} for _ in range(r.randint(1, 3))] + [{"type": "text", "text": "end"}]
    return r.choice(TEXTS)


def conversation(r, with_tools):
    messages = []
    if r.random() < 0.5:
        messages.append({"role": "system", "content": r.choice([content(r), ""])})
    for turn in range(r.randint(1, 4)):
        if turn:
            messages.append({"role": "assistant", "content": content(r)})
        messages.append({"role": "user", "content": content(r)})
        while with_tools and r.random() < 0.5:
            calls = []
            for _ in range(r.randint(1, 3)):
                arguments = r.choice(JSON_TEXTS + [{"city": "Zürich", "n": 1.0, "list": [1, "é"]}])
                calls.append({"id": call_id(r), "type": "function", "function": {"name": "get_weather", "arguments": arguments}})
            messages.append({"role": "assistant", "content": r.choice([None, ""]), "tool_calls": calls})
            for call in r.sample(calls, len(calls)):
                messages.append({"role": "tool", "tool_call_id": call["id"], "name": "get_weather", "content": r.choice(JSON_TEXTS)})
            if r.random() < 0.5:
                messages.append({"role": "assistant", "content": content(r)})
                messages.append({"role": "user", "content": content(r)})
    if r.random() < 0.3:
        messages.append({"role": "assistant", "content": content(r)})
    return messages, [tool(r) for _ in range(r.randint(1, 3))] if with_tools and r.random() < 0.8 else []


def to_mistral(message, last):
    text = message["content"]
    if isinstance(text, list):
        text = [TextChunk(text=part["text"]) for part in text]
    role = message["role"]
    if role == "system":
        return SystemMessage(content=text)
    if role == "user":
        return UserMessage(content=text)
    if role == "tool":
        return ToolMessage(content=text, tool_call_id=message["tool_call_id"], name=message["name"])
    calls = [ToolCall(id=c["id"], function=FunctionCall(**c["function"])) for c in message.get("tool_calls", [])]
    return AssistantMessage(content=text, tool_calls=calls or None, prefix=last)


def encode(tokenizer, messages, tools):
    request = ChatCompletionRequest(
        messages=[to_mistral(m, i == len(messages) - 1) for i, m in enumerate(messages)],
        tools=[Tool(function=Function(**t["function"])) for t in tools] or None)
    return tokenizer.encode_chat_completion(request).tokens


def main(directory):
    r = random.Random(8)
    v1, v3 = MistralTokenizer.v1(), MistralTokenizer.v3()
    goldens = []
    cases = [conversation(r, False) for _ in range(250)] + [conversation(r, True) for _ in range(250)]
    for text in JSON_TEXTS:
        cases.append(([{"role": "user", "content": "x"},
                       {"role": "assistant", "content": None, "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": text}}]},
                       {"role": "tool", "tool_call_id": "abcdefghi", "name": "f", "content": text}], []))
    for messages, tools in cases:
        has_tools = tools or any(m["role"] == "tool" for m in messages)
        goldens.append({"messages": messages, "tools": tools, "v1": None if has_tools else encode(v1, messages, tools), "v3": encode(v3, messages, tools)})
    with open(os.path.join(directory, "conversations.json.gz"), "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as g:
        g.write(json.dumps(goldens, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))
    print(len(goldens), "conversations,", sum(g["v1"] is not None for g in goldens), "of them for v1")


if __name__ == "__main__":
    main(sys.argv[1])
