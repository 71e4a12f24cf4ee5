"""Random tools, the questions that call them, and what they say: for `AgentGenerator`."""

import dataclasses
import json

from generator import COLOURS, GOODS, LANGUAGES, WORDS, held_out

VERBS = "get find fetch look_up read check query tell show".split()
TAILS = "of lookup info finder service data reader".split()
SKIES = "sunny cloudy rainy windy foggy snowy".split()
STATES = "shipped packed lost delivered paid late".split()
# Synonyms for a parameter's name, by what the value is.
PARAMETERS = {
    "town": "town city place location",
    "person": "name person who full_name",
    "company": "company firm company_name",
    "goods": "product item article",
    "number": "number id code key",
    "year": "year in_year",
    "amount": "amount value quantity",
    "unit": "from source unit from_unit",
    "other unit": "to target into to_unit",
    "start": "from origin start departure",
    "end": "to destination end arrival",
    "word": "word text term",
    "language": "language into tongue",
    "time": "time at hour",
    "people": "people guests seats",
}


@dataclasses.dataclass(frozen=True)
class Topic:
    """What a tool knows.

    noun: its subject, as questions and the description say it
    parameters: of each its value's kind and its name
    question: with the values' places, {0} and so on
    result: draws what the tool says, a value or the fields of an object
    answer: from the values and the result
    """

    noun: str
    parameters: tuple
    question: str
    result: object
    answer: str
    again: str = "And for {0}?"  # a second question with another first value
    both: str = None  # a question with two first values, {0} and {2}


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    description: str
    topic: Topic

    def json(self):
        """OpenAI's form."""
        properties = {name: {"type": "integer" if kind in ("number", "year", "amount", "people") else "string"}
                      for kind, name in self.topic.parameters}
        parameters = {"type": "object", "properties": properties, "required": list(properties)}
        return {"type": "function", "function": {"name": self.name, "description": self.description, "parameters": parameters}}

    def call(self, values):
        return {"name": self.name, "arguments": {name: value for (_, name), value in zip(self.topic.parameters, values)}}


class Toolmaker:
    """Draws tools and values from a generator's stream of random numbers."""

    def __init__(self, generator):
        self.generator = generator
        self.words = [row[0] for row in WORDS if generator.spelled_alike(row[0])]

    def value(self, kind):
        g = self.generator
        return {
            "town": g.town,
            "person": g.full_name,
            "company": g.company,
            "goods": lambda: g.pick(*COLOURS) + " " + g.pick(*GOODS),
            "number": lambda: g.number(1000, 99999),
            "year": lambda: g.number(1900, 2030),
            "amount": lambda: g.number(100, 999) if g.chance(0.5) else g.random.randint(2, 99),
            "unit": lambda: g.fresh(lambda: g.syllables(1, 2).lower()),
            "other unit": lambda: g.fresh(lambda: g.syllables(1, 2).lower()),
            "start": g.town,
            "end": g.town,
            "word": lambda: g.pick(*self.words),
            "language": lambda: g.pick(*LANGUAGES[1:]),
            "time": lambda: f"{g.random.randint(1, 23)}:{g.random.randint(10, 59)}",
            "people": lambda: g.random.randint(2, 12),
        }[kind]()

    def values(self, topic):
        while True:
            values = [self.value(kind) for kind, _ in topic.parameters]
            if len(set(map(str, values))) == len(values):
                return values

    def tools(self, count):
        """Tools about different things, one of them at times with the values of another."""
        tools, taken = [], set()
        while len(tools) < count:
            topic = self.known() if self.generator.chance(0.5) else self.invented()
            tool = Tool(self.name(topic.noun), self.description(topic), topic)
            if topic.noun not in taken and tool.name not in taken:
                taken |= {topic.noun, tool.name}
                tools.append(tool)
        return tools

    def name(self, noun):
        """A name of this side of the split."""
        g, noun = self.generator, noun.replace(" ", "_")
        while True:
            invented = g.syllables(1, 1).lower()
            name = g.pick(f"{g.pick(*VERBS)}_{noun}", f"{noun}_{g.pick(*TAILS)}", f"{noun}_{invented}", f"{invented}_{noun}")
            if held_out(name) == g.evaluation:
                return name

    def description(self, topic):
        kinds = " and ".join(kind for kind, _ in topic.parameters)
        return self.generator.pick("Tells the {0} by {1}.", "The {0}, by {1}", "Looks up the {0} for a given {1}", "{0} by {1}").format(topic.noun, kinds)

    def parameters(self, *kinds):
        return tuple((kind, self.generator.pick(*PARAMETERS[kind].split())) for kind in kinds)

    def invented(self):
        """About something that has a name of syllables, so that nothing but the list of tools tells which one it is."""
        g = self.generator
        noun = g.fresh(lambda: g.syllables(1, 2).lower())
        kind = g.pick("town", "person", "company", "goods", "number")
        number = g.chance(0.6)
        result = (lambda: g.number(100, 9999)) if number else g.first_name
        if g.chance(0.4):
            field = g.pick(noun, "value", "result")
            plain, result = result, lambda: {field: plain()}
        if kind == "goods":
            of, value = "the {0}", "the {0}"
        else:
            of = value = "{0}"
        if g.chance(0.25):
            return Topic(
                noun, self.parameters(kind, "year"), g.pick(f"What was the {noun} of {of} in {{1}}?", f"Tell me the {noun} of {of} in {{1}}."),
                result, f"The {noun} of {value} in {{1}} was {{result}}.",
                again=f"And that of {of} in {{1}}?", both=f"What was the {noun} of {of} and of {of.replace('0', '2')} in {{1}}?",
            )
        ask = g.pick(f"What is the {noun} of {of}?", f"Tell me the {noun} of {of}.", f"I need the {noun} of {of}.")
        return Topic(
            noun, self.parameters(kind), ask, result, f"The {noun} of {value} is {{result}}.",
            again=f"And that of {of}?", both=f"What is the {noun} of {of} and of {of.replace('0', '2')}?",
        )

    def known(self):
        g, p = self.generator, self.parameters
        n = g.random.randint
        return g.pick(
            lambda: Topic("weather", p("town"), g.pick("How is the weather in {0}?", "What is the weather in {0} today?"),
                          lambda: {"degrees": n(2, 35), "sky": g.pick(*SKIES)}, "It is {degrees} degrees and {sky} in {0}.",
                          again="And in {0}?", both="How is the weather in {0} and in {2}?"),
            lambda: Topic("order status", p("number"), g.pick("Where is my order {0}?", "What is the status of order {0}?"),
                          lambda: {"status": g.pick(*STATES)}, "Order {0} is {status}.",
                          again="And order {0}?", both="Where are my orders {0} and {2}?"),
            lambda: Topic("unit conversion", p("amount", "unit", "other unit"), g.pick("Convert {0} {1} to {2}.", "How many {2} are {0} {1}?"),
                          lambda: f"{n(2, 999)}.{n(10, 99)}", "{0} {1} are {result} {2}.", again="And {0} {1} to {2}?"),
            lambda: Topic("price", p("goods"), g.pick("How much does the {0} cost?", "What is the price of the {0}?"),
                          lambda: {"price": g.number(100, 9999)}, "The {0} costs {price} euros.",
                          again="And the {0}?", both="How much do the {0} and the {2} cost?"),
            lambda: Topic("phone number", p("person"), g.pick("What is the phone number of {0}?", "I want to call {0}. Which number is it?"),
                          lambda: f"{g.number(100, 999)}-{g.number(1000, 9999)}", "The phone number of {0} is {result}.",
                          again="And of {0}?", both="What are the phone numbers of {0} and of {2}?"),
            lambda: Topic("time", p("town"), g.pick("What time is it in {0}?", "Tell me the time in {0}."),
                          lambda: f"{n(1, 23)}:{n(10, 59)}", "It is {result} in {0}.", again="And in {0}?",
                          both="What time is it in {0} and in {2}?"),
            lambda: Topic("stock", p("goods"), g.pick("Is the {0} in stock?", "How many of the {0} are in stock?"),
                          lambda: {"count": n(2, 99)}, "There are {count} of the {0}.", again="And the {0}?",
                          both="How many of the {0} and of the {2} are in stock?"),
            lambda: Topic("translation", p("word", "language"), g.pick("How do you say {0} in {1}?", "Translate {0} into {1}."),
                          lambda: g.fresh(lambda: g.syllables(1, 2).lower()), "{0} in {1} is {result}.", again="And {0} in {1}?"),
            lambda: Topic("table", p("people", "time"), g.pick("Book a table for {0} at {1}.", "I need a table for {0} people at {1}."),
                          lambda: {"table": n(2, 99)}, "Table {table} is yours at {1}, for {0}.", again="And one for {0} at {1}."),
            lambda: Topic("train", p("start", "end"), g.pick("When does the train from {0} to {1} leave?", "Find a train from {0} to {1}."),
                          lambda: f"{n(1, 23)}:{n(10, 59)}", "The train from {0} to {1} leaves at {result}.", again="And from {0} to {1}?"),
        )()


def said(result):
    """A tool's words."""
    return json.dumps(result, ensure_ascii=False) if isinstance(result, dict) else str(result)


def answered(topic, values, result):
    if isinstance(result, dict):
        fields = {**result, "result": next(iter(result.values()))}
    else:
        fields = {"result": result}
    return topic.answer.format(*values, **fields)
