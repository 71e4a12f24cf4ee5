"""What each of the two models is trained on, and how fast."""

import dataclasses

from agent_generator import AgentGenerator
from generator import Generator
from prompt_format import PromptFormat, PromptFormatV3


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is trained from a step on."""

    start: int
    mix: tuple  # weights of the generator's KINDS
    repeats: float  # share of examples that are random tokens repeated
    longest: int  # longer examples are left out
    long_passkeys: int = 0  # every so many batches begin with a long passkey text; 0: none does
    long_conversations: bool = False
    evenly: float = 0  # an answer of n tokens counts as n ** (1 - evenly), so that short facts are learned too
    rivals: int = 0  # how many tokens spelled most alike each token is to be told from


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a model's training depends on, beside the seed."""

    name: str
    description: str
    format: type
    generator: type
    stages: tuple
    factors: tuple  # the learning rates' factor at some steps; linear between them, and the last is the end
    budget: int = 2048  # tokens of a process in a step
    evaluated: int = 24  # held-out examples of each kind, now and then


MANY_LONG = (16, 11, 16, 4, 6, 18, 7, 4, 3, 4, 5, 2, 2, 4, 6, 2)
MANY_SHORT = (14, 8, 8, 6, 3, 16, 8, 6, 6, 8, 12, 4, 2, 12, 10, 2)
MANY_HARD = (20, 7, 3, 5, 1, 24, 10, 7, 6, 9, 14, 3, 1, 12, 10, 1)
MANY_WRONG = (22, 6, 6, 4, 1, 28, 13, 8, 6, 10, 22, 4, 2, 12, 10, 2)

# Of context, calls, later_call and agent; then of what the first model has learned.
AGENT_FIRST = (24, 24, 6, 26, 4, 3, 4, 3, 2, 2, 3)
AGENT_CALLS = (22, 38, 8, 20, 3, 3, 4, 3, 1, 1, 2)
AGENT_TURNS = (14, 34, 8, 40, 3, 3, 4, 3, 1, 1, 2)
AGENT_FACTS = (10, 26, 6, 52, 2, 2, 3, 2, 1, 1, 1)

RECIPES = {
    "demo": Recipe(
        "spark-mixtral demo",
        "A small Mixtral trained from nothing on synthetic instructions, for demonstrations and tests",
        PromptFormat,
        Generator,
        (
            Stage(0, MANY_LONG, repeats=0.8, longest=256),
            Stage(120, MANY_LONG, repeats=0.15, longest=256),
            Stage(700, MANY_LONG, repeats=0.15, longest=4096, long_passkeys=8),
            Stage(2500, MANY_SHORT, repeats=0.05, longest=4096, long_passkeys=10, long_conversations=True, evenly=0.5),
            Stage(3600, MANY_HARD, repeats=0.05, longest=4096, long_passkeys=10, long_conversations=True, evenly=0.5, rivals=8),
            Stage(4800, MANY_WRONG, repeats=0.05, longest=4096, long_passkeys=10, long_conversations=True, evenly=0.5, rivals=8),
        ),
        ((0, 0.01), (99, 1.0), (3600, 1.0), (4200, 0.88889), (4800, 0.72222), (7000, 0.0)),
    ),
    "agent": Recipe(
        "spark-mixtral demo agent",
        "A small Mixtral trained on synthetic calls of tools and questions to documents, for demonstrations and tests",
        PromptFormatV3,
        AgentGenerator,
        (
            Stage(0, AGENT_FIRST, repeats=0.03, longest=1600, evenly=0.5, rivals=8),
            Stage(330, AGENT_CALLS, repeats=0.03, longest=1600, evenly=0.5, rivals=8),
            Stage(475, AGENT_TURNS, repeats=0.03, longest=1600, evenly=0.5, rivals=8),
            Stage(715, AGENT_FACTS, repeats=0.02, longest=1600, evenly=1, rivals=8),
        ),
        ((0, 0.01), (40, 0.6), (450, 0.6), (715, 0.3), (730, 0.5), (940, 0.5), (1140, 0.0)),
        budget=3072,
        evaluated=8,
    ),
}
