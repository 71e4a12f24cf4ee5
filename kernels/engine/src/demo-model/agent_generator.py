"""Generator of what the second demo model learns: calls of tools, agents with several turns, and answers from longer passages.

A kind gives several examples with the same beginning, such as questions about the same passages, or the turns of one question.
"""

import dataclasses
import json
import string

from generator import FILLER, NOT_THERE, Example, Generator, assistant, user
from tools import Toolmaker, answered, said

NOT_FOUND = "The documents do not say."
CONTEXT = (
    "Context information is below.\n-----\n{0}\n-----\nGiven the context and not prior knowledge, answer the question.\n"
    "Question: {1}\nAnswer:"
)
KINDS_OF_ENTITIES = ("person", "town", "company", "thing")


def function(name, description):
    """A tool of the job's agent, whose input is a text."""
    parameters = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


CALCULATOR = function("Calculator", "Python code that sets output")
SEARCH = function("Search", "a query")


def search(query):
    return {"name": "Search", "arguments": {"input": query}}


def calculate(expression):
    return {"name": "Calculator", "arguments": {"input": "output = " + expression}}


class AgentGenerator(Generator):
    def __init__(self, seed, prompt_format, evaluation=False):
        super().__init__(seed, prompt_format, evaluation)
        self.toolmaker = Toolmaker(self)

    # Turns with tools

    def identity(self):
        """Of a call: nine letters and digits, as who runs it draws them."""
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=9))

    def turns(self, calls, outputs):
        """The messages of calls and of what their tools say."""
        ids = [self.identity() for _ in calls]
        written = [
            {"id": name, "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"], ensure_ascii=False)}}
            for call, name in zip(calls, ids)
        ]
        results = [
            {"role": "tool", "tool_call_id": name, "name": call["name"], "content": output}
            for call, name, output in zip(calls, ids, outputs)
        ]
        return [{"role": "assistant", "content": None, "tool_calls": written}] + results

    def course(self, kind, tools, question, steps, answer, before=()):
        """Each turn of a question as an example: steps are calls with what is said to them, and then comes the answer."""
        messages, examples = [*before, user(question)], []
        for calls, outputs in steps:
            examples.append(Example(kind, messages, calls, len(messages), tuple(tools)))
            messages = messages + self.turns(calls, outputs)
        return examples + [Example(kind, messages, answer, len(messages), tuple(tools))]

    # Calls of tools that are told

    def calls(self):
        """Questions to some tools: of each a turn that calls, or both that and what is said then."""
        tools = self.toolmaker.tools(self.random.choices((1, 2, 3, 4), (1, 3, 4, 2))[0])
        told, examples = [tool.json() for tool in tools], []
        for _ in range(1 if self.evaluation else self.random.randint(2, 4)):
            examples += self.pick(self.one_call, self.one_call, self.two_calls, self.two_calls, self.no_call, self.failed_call)(tools, told)
        return examples

    def one_call(self, tools, told):
        tool = self.pick(*tools)
        values = self.toolmaker.values(tool.topic)
        result = tool.topic.result()
        step = ([tool.call(values)], [said(result)])
        return self.course("call", told, tool.topic.question.format(*values), [step], answered(tool.topic, values, result))

    def two_calls(self, tools, told):
        """Two calls in one turn, of one tool or of two."""
        first = self.pick(*tools)
        others = [tool for tool in tools if tool is not first]
        if first.topic.both and (not others or self.chance(0.5)):
            one, other = self.toolmaker.values(first.topic), self.toolmaker.values(first.topic)
            second, other = first, other[:1] + one[1:]
            question = first.topic.both.format(one[0], one[1] if one[1:] else None, other[0])
        elif others:
            second = self.pick(*others)
            one, other = self.toolmaker.values(first.topic), self.toolmaker.values(second.topic)
            question = first.topic.question.format(*one) + " " + second.topic.question.format(*other)
        else:
            return self.one_call(tools, told)
        results = [first.topic.result(), second.topic.result()]
        step = ([first.call(one), second.call(other)], [said(result) for result in results])
        answer = answered(first.topic, one, results[0]) + " " + answered(second.topic, other, results[1])
        return self.course("two_calls", told, question, [step], answer)

    def no_call(self, tools, told):
        """What needs no tool."""
        name = self.first_name()
        question, answer = self.pick(
            (f"Hello, I am {name}.", f"Hello {name}, how can I help you?"),
            (f"Please greet {name}.", f"Hello {name}!"),
            (f"Thank you, that was all. Best wishes, {name}", f"You are welcome, {name}."),
        )
        return self.course("no_call", told, question, [], answer)

    def failed_call(self, tools, told):
        tool = self.pick(*tools)
        values = self.toolmaker.values(tool.topic)
        reason = self.pick(f"there is no {self.word()}", f"the {self.word()} is closed", f"unknown {self.word()}", "the tool has not ended within 60 s")
        step = ([tool.call(values)], ["error: " + reason])
        return self.course("failed_call", told, tool.topic.question.format(*values), [step], f"I am sorry: {reason}.")

    def later_call(self):
        """A question that leaves out what the one before has said."""
        tools = self.toolmaker.tools(self.random.randint(1, 3))
        tool, told = self.pick(*tools), [tool.json() for tool in tools]
        values, more = self.toolmaker.values(tool.topic), self.toolmaker.values(tool.topic)
        result, other = tool.topic.result(), tool.topic.result()
        before = [user(tool.topic.question.format(*values)), *self.turns([tool.call(values)], [said(result)])]
        before.append(assistant(answered(tool.topic, values, result)))
        step = ([tool.call(more)], [said(other)])
        return self.course("later_call", told, tool.topic.again.format(*more), [step], answered(tool.topic, more, other), before)

    # Documents

    def document(self, facts, least=0, most=8):
        """Facts among other sentences, in any order."""
        sentences = [fact[0] for fact in facts] + [self.random.choice(FILLER) for _ in range(self.random.randint(least, most))]
        self.random.shuffle(sentences)
        return " ".join(sentences)

    def about_like(self, kind, name):
        """An entity of a kind, at times with a part of another one's name."""
        other, facts = self.about(kind)
        parts, others = name.split(), other.split()
        if kind == "town" or len(parts) != len(others) or not self.chance(0.4):
            return other, facts
        shared = self.random.randrange(len(parts))
        others[shared] = parts[shared]
        renamed = " ".join(others)
        return (other, facts) if renamed == name else (renamed, [tuple(part.replace(other, renamed) for part in fact) for fact in facts])

    def found(self, name, facts, count):
        """What a search for an entity finds: its document, if it has facts, first; others of its kind behind it."""
        kind = self.kind_of(name)
        passages = [self.document(facts, most=2)] if facts else []
        while len(passages) < count:
            passages.append(self.document(self.about_like(kind, name)[1], most=2))
        if self.chance(0.15):
            self.random.shuffle(passages)
        return "\n\n".join(passages)

    def context(self):
        """Passages that stand before a question, and several questions about them."""
        kind = self.pick(*KINDS_OF_ENTITIES)
        name, facts = self.about(kind)
        entities = [(name, facts)]
        for _ in range(self.random.choices((1, 2, 3, 4), (1, 2, 6, 1))[0]):
            other = kind if self.chance(0.7) else self.pick(*KINDS_OF_ENTITIES)
            entities.append(self.about_like(other, name))
        most = self.pick(3, 3, 12)
        stated, absent, passages = [], [], []
        for _, facts in entities:
            left_out = facts[:1] if self.chance(0.2) else []
            absent += left_out
            facts = facts[len(left_out) :]
            stated += facts
            passages.append(self.document(facts, most=most))
        self.random.shuffle(passages)
        body = "\n".join(f"[{i}] {text}" for i, text in enumerate(passages, 1))
        unknown = [fact for _ in range(3) for fact in self.about_like(kind, name)[1][:1]]
        absent += unknown
        asked = [(fact, True) for fact in self.random.sample(stated, min(len(stated), 6))]
        asked += [(fact, False) for fact in self.random.sample(absent, 2)]
        texts = {fact[1] for fact in stated}
        asked = [(fact, there) for fact, there in asked if there or fact[1] not in texts]
        if self.evaluation:
            asked = [self.pick(*asked)]
        return [
            Example("retrieval" if there else "retrieval_absent", [user(CONTEXT.format(body, fact[1]))], fact[2] if there else NOT_THERE)
            for fact, there in asked
        ]

    # The job's agent

    def agent(self):
        examples = []
        for _ in range(1 if self.evaluation else 3):
            examples += self.random.choices(
                (self.calculation_turns, self.lookup_turns, self.lookup_and_calculation, self.two_lookups, self.second_try, self.not_found, self.greeting),
                (1, 5, 3, 3, 1, 2, 1),
            )[0]()
        return examples

    def agent_tools(self, searches=True):
        """The tools; a job without documents has no search."""
        return [CALCULATOR, SEARCH] if searches or self.chance(0.7) else [CALCULATOR]

    def calculation_turns(self):
        question, expression = self.calculation()
        result = value(expression)
        return self.course("agent_calculation", self.agent_tools(searches=False), question, [([calculate(expression)], [result])], f"The answer is {result}.")

    def lookup_turns(self):
        name, facts = self.about(self.pick(*KINDS_OF_ENTITIES))
        fact = self.pick(*facts)
        if not self.evaluation and self.chance(0.6):  # shorter documents: more questions in the same time
            others = [other for other in facts if other is not fact]
            facts = [fact] + self.random.sample(others, self.pick(1, 2))
        step = ([search(name)], [self.found(name, facts, self.passages())])
        return self.course("agent_search", self.agent_tools(), fact[1], [step], fact[2])

    def passages(self):
        return self.random.choices((1, 2, 3), (7, 2, 1))[0]

    def not_found(self):
        name, facts = self.about(self.pick(*KINDS_OF_ENTITIES))
        found = "nothing found" if self.chance(0.15) else self.found(name, [], self.passages())
        return self.course("agent_absent", self.agent_tools(), self.pick(*facts)[1], [([search(name)], [found])], NOT_FOUND)

    def greeting(self):
        return [dataclasses.replace(example, kind="agent_greeting") for example in self.no_call([], self.agent_tools(searches=False))]

    def kind_of(self, name):
        """What an entity is, by its name's form."""
        words = name.split()
        if len(words) == 1:
            return "town"
        if words[0].islower():
            return "thing"
        return "company" if words[-1] in ("Works", "Group", "Foods", "Motors", "Bank") else "person"

    def numeric(self):
        """An entity with a number: name, facts, the number, and (question, expression) that need it."""
        r = self.random
        kind = self.pick("person", "town", "company", "thing")
        name, facts = self.about(kind)
        n, percent, year = r.randint(2, 30), r.randint(2, 90), r.randint(2021, 2060)

        def number(word):
            return next(fact[2] for fact in facts if word in fact[0]).split()[0]

        if kind == "person":
            x = number("born")
            return name, facts, self.pick((f"How old was {name} in {year}?", f"{year} - {x}"), (f"How old will {name} be in {year}?", f"{year} - {x}"))
        if kind == "town":
            x = number("inhabitants")
            return name, facts, self.pick(
                (f"What is {percent} percent of the inhabitants of {name}?", f"{x} * {percent} / 100"),
                (f"How many inhabitants will {name} have if {n} more come?", f"{x} + {n}"),
            )
        if kind == "company":
            x, founded = number("workers"), number("founded")
            return name, facts, self.pick(
                (f"How old was {name} in {year}?", f"{year} - {founded}"),
                (f"What is {percent} percent of the workers of {name}?", f"{x} * {percent} / 100"),
                (f"How many workers will {name} have if {n} more come?", f"{x} + {n}"),
            )
        return name, facts, self.pick(
            (f"How much do {n} of the {name} cost?", f"{n} * {number('costs')}"),
            (f"How much do {n} of the {name} weigh?", f"{n} * {number('weighs')}"),
        )

    def lookup_and_calculation(self):
        name, facts, (question, expression) = self.numeric()
        result = value(expression)
        steps = [([search(name)], [self.found(name, facts, self.passages())]), ([calculate(expression)], [result])]
        return self.course("agent_search_calculation", self.agent_tools(), question, steps, f"The answer is {result}.")

    def two_lookups(self):
        """Two searches in one turn, and a calculation with what they find."""
        kind = self.pick("town", "company", "thing")
        (one, facts), (other, more) = self.about(kind), self.about(kind)
        word, asks = {
            "town": ("inhabitants", ("How many inhabitants do {0} and {1} have together?", "How many more inhabitants does {0} have than {1}?")),
            "company": ("workers", ("How many workers do {0} and {1} have together?", "How many more workers does {0} have than {1}?")),
            "thing": ("costs", ("How much do the {0} and the {1} cost together?", "How much more does the {0} cost than the {1}?")),
        }[kind]
        if one == other:
            return self.two_lookups()
        numbers = [next(fact[2] for fact in known if word in fact[0]).split()[0] for known in (facts, more)]
        sign = self.random.randrange(2)
        if sign == 1 and int(numbers[0]) < int(numbers[1]):
            one, facts, other, more = other, more, one, facts
            numbers.reverse()
        expression = f"{numbers[0]} {'+-'[sign]} {numbers[1]}"
        result, count = value(expression), self.passages()
        steps = [
            ([search(one), search(other)], [self.found(one, facts, count), self.found(other, more, count)]),
            ([calculate(expression)], [result]),
        ]
        return self.course("agent_two_searches", self.agent_tools(), asks[sign].format(one, other), steps, f"The answer is {result}.")

    def second_try(self):
        """Code that the calculator refuses is tried once more in the way that it reads."""
        a, b, c = self.number(100, 9999), self.random.randint(2, 99), self.random.randint(2, 9)
        sign, meant, reason = self.pick(
            ("x", "*", "Missing operator"), ("^", "**", "Undefined operator '^'"), (":", "/", "Undefined operator ':'"),
        )
        wrong, right = self.pick(("{0} {2} {1}", "{0} {3} {1}"), ("{0} {2} {1} + {4}", "{0} {3} {1} + {4}"))
        b = c if sign == "^" else b
        wrong, right = (form.format(a, b, sign, meant, b + c) for form in (wrong, right))
        result = value(right)
        ask = self.pick("Run this code: output = {}", "What is the value of output = {}", "Calculate output = {}")
        steps = [([calculate(wrong)], [f"error: cannot calculate '{wrong}': {reason}"]), ([calculate(right)], [result])]
        return self.course("agent_second_try", self.agent_tools(searches=False), ask.format(wrong), steps, f"The answer is {result}.")

    # Both, and some of what the first model has learned

    OLD = ("json_fields", "few_shot", "tool", "copy", "arithmetic", "translate", "second_turn")
    KINDS = ("context", "calls", "later_call", "agent") + OLD

    def examples(self, kind):
        """The next examples of a kind, one of `KINDS`; all begin alike."""
        return [super().example(kind)] if kind in self.OLD else getattr(self, kind)()


def value(expression):
    """What the job's calculator says: a whole number as such."""
    result = eval(expression)  # made of numbers and signs above
    return str(int(result)) if result == int(result) else repr(result)
