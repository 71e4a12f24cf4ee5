"""Mistral's instruct format of tokenizer v1, token by token."""

import sentencepiece

BOS, EOS = 1, 2


class PromptFormat:
    """Renders conversations: BOS, `[INST] … [/INST]`, answer, EOS; the system text goes into the first user turn."""

    def __init__(self, tokenizer_file):
        self.pieces = sentencepiece.SentencePieceProcessor(model_file=tokenizer_file)

    def vocabulary_words(self):
        """The vocabulary's whole words in ASCII letters, at least three letters long."""
        pieces = (self.pieces.id_to_piece(i) for i in range(259, self.pieces.vocab_size()))
        words = (piece[1:] for piece in pieces if piece.startswith("\u2581"))
        return [word for word in words if len(word) >= 3 and word.isascii() and word.isalpha()]

    def all_pieces(self):
        return [self.pieces.id_to_piece(i) for i in range(self.pieces.vocab_size())]

    def spelled_alike(self, text):
        """Whether the same pieces spell a text after a space and after a quote, the space in front aside."""
        quoted = self.pieces.encode('"' + text, out_type=str)
        return quoted[0] == '\u2581"' and "\u2581" + "|".join(quoted[1:]) == "|".join(self.pieces.encode(text, out_type=str))

    def prompt(self, messages):
        """The tokens after which the model answers. A last message of the assistant is a primer: its answer continues it."""
        ids, prefix = [BOS], ""
        for i, message in enumerate(messages):
            content = message["content"]
            if message["role"] == "system":
                prefix = content + "\n\n"
            elif message["role"] == "user":
                ids += self.pieces.encode(f"[INST] {prefix}{content} [/INST]")
                prefix = ""
            else:
                ids += self.pieces.encode(content)
                if i < len(messages) - 1:
                    ids.append(EOS)
        return ids

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

    def conversation(self, messages, answer, learned_from=0):
        """All tokens with the answer, and the positions of those that a model learns to write: the answer's, and the
        assistant's earlier turns from message `learned_from` on."""
        ids, learned = self.prompt(messages), []
        for i, message in enumerate(messages[:-1]):
            if message["role"] == "assistant" and i >= learned_from:
                start = len(self.prompt(messages[:i]))
                learned += range(start, start + len(self.pieces.encode(message["content"])) + 1)
        tail = self.answer(messages, answer)
        learned += range(len(ids), len(ids) + len(tail))
        return ids + tail, learned
