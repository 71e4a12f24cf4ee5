"""Mistral's instruct formats of tokenizers v1 and v3, token by token."""

import json

import sentencepiece

BOS, EOS = 1, 2


class PromptFormat:
    """Tokenizer v1. Renders conversations: BOS, `[INST] … [/INST]`, answer, EOS; the system text goes into the first user turn."""

    first_piece = 259  # before it are control tokens and bytes

    def __init__(self, tokenizer_file):
        self.pieces = sentencepiece.SentencePieceProcessor(model_file=tokenizer_file)

    def vocabulary_words(self):
        """The vocabulary's whole words in ASCII letters, at least three letters long."""
        pieces = (self.pieces.id_to_piece(i) for i in range(self.first_piece, self.pieces.vocab_size()))
        words = (piece[1:] for piece in pieces if piece.startswith("\u2581"))
        return [word for word in words if len(word) >= 3 and word.isascii() and word.isalpha()]

    def all_pieces(self):
        return [self.pieces.id_to_piece(i) for i in range(self.pieces.vocab_size())]

    def spelled_alike(self, text):
        """Whether the same pieces spell a text after a space and after a quote, the space in front aside."""
        quoted = self.pieces.encode('"' + text, out_type=str)
        return quoted[0] == '\u2581"' and "\u2581" + "|".join(quoted[1:]) == "|".join(self.pieces.encode(text, out_type=str))

    def prompt(self, messages, tools=()):
        """The tokens after which the model answers. A last message of the assistant is a primer: its answer continues it."""
        return self.render(messages, tools)[0]

    def render(self, messages, tools):
        """The prompt's tokens, and for each turn of the assistant that is text, by its message's index, the range of its tokens."""
        if tools:
            raise ValueError("tokenizer v1 has no tokens for tools")
        ids, turns, prefix = [BOS], {}, ""
        for i, message in enumerate(messages):
            content = message["content"]
            if message["role"] == "system":
                prefix = content + "\n\n"
            elif message["role"] == "user":
                ids += self.pieces.encode(f"[INST] {prefix}{content} [/INST]")
                prefix = ""
            else:
                turns[i] = self.say(ids, content, i < len(messages) - 1)
        return ids, turns

    def say(self, ids, text, ends):
        """Adds what the assistant says; gives the range of its tokens."""
        start = len(ids)
        ids += self.pieces.encode(text) + [EOS] * ends
        return range(start, len(ids))

    def answer(self, messages, text):
        """The tokens of an answer, EOS last. After a primer it goes on inside a text, so without the space in front."""
        if messages[-1]["role"] == "assistant":
            return self.pieces.encode("\n" + text)[2:] + [EOS]
        return self.pieces.encode(text) + [EOS]

    def text(self, messages, ids):
        """An answer's text. Only after a primer does a space in front belong to it."""
        text = self.pieces.decode(ids)
        continues = messages[-1]["role"] == "assistant" and ids and self.pieces.id_to_piece(ids[0]).startswith("\u2581")
        return " " + text if continues else text

    def conversation(self, example):
        """All tokens with the answer, and the positions of those that a model learns to write: the answer's, and those of
        the assistant's earlier texts from message `learned_from` on."""
        ids, turns = self.render(example.messages, example.tools)
        earlier = [turn for i, turn in turns.items() if example.learned_from <= i < len(example.messages) - 1]
        learned = [position for turn in earlier for position in turn]
        tail = self.answer(example.messages, example.answer)
        learned += range(len(ids), len(ids) + len(tail))
        return ids + tail, learned


class PromptFormatV3(PromptFormat):
    """Tokenizer v3: control tokens for turns and tools, and the system text in the last user turn, before which the tools are.

    What a model writes as calls has no ids; who runs them gives each its own, which stands in the call when the model reads it again.
    """

    first_piece = 771 + 256
    INST, END_INST, TOOL_CALLS, TOOLS, END_TOOLS, RESULTS, END_RESULTS = range(3, 10)

    def render(self, messages, tools):
        last_user = max(i for i, message in enumerate(messages) if message["role"] == "user")
        system = messages[0]["content"] + "\n\n" if messages[0]["role"] == "system" else ""
        ids, turns = [BOS], {}
        for i, message in enumerate(messages):
            role, content = message["role"], message["content"]
            if role == "user":
                if i == last_user and tools:
                    ids += [self.TOOLS, *self.pieces.encode(written(tools)), self.END_TOOLS]
                ids += [self.INST, *self.pieces.encode((system if i == last_user else "") + content), self.END_INST]
            elif role == "tool":
                result = {"content": read(content), "call_id": message["tool_call_id"]}
                ids += [self.RESULTS, *self.pieces.encode(written(result)), self.END_RESULTS]
            elif role == "assistant" and message.get("tool_calls"):
                calls = [(call["function"], call["id"]) for call in message["tool_calls"]]
                calls = [{"name": f["name"], "arguments": json.loads(f["arguments"]), "id": name} for f, name in calls]
                ids += [self.TOOL_CALLS, *self.pieces.encode(written(calls)), EOS]
            elif role == "assistant":
                turns[i] = self.say(ids, content.rstrip(" "), i < len(messages) - 1)
        return ids, turns

    def answer(self, messages, text):
        if isinstance(text, list):
            return [self.TOOL_CALLS, *self.pieces.encode(written(text)), EOS]
        return super().answer(messages, text)

    def text(self, messages, ids):
        """An answer's text; calls as the JSON behind their token."""
        return super().text(messages, [token for token in ids if token != self.TOOL_CALLS])


def written(value):
    return json.dumps(value, ensure_ascii=False)


def read(text):
    """What a tool says: the JSON that it is, or the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
