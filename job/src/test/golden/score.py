"""Golden values of ScoreGoldenTest: python score.py > ../resources/golden/score.json

From scipy and statsmodels: Wilson's intervals of proportions, normal intervals of means with the sample's deviation, and the
p-values of McNemar's exact test. And the token F1 of SQuAD's evaluation, written out here from its definition with Python's own
idea of lower case, punctuation and white space.
"""
import json
import random
import re
import string
from collections import Counter

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

TEXTS = ["", "the", "Paris", "paris.", "The city of Paris, France", "a cat and the dog", "A.B.C.", "an apple a day", "don't", "dont",
         "it's 3.14%", "3,14", "naïve café", "NAÏVE CAFÉ!", "Ärger im Theater", "athena", "the\tcat\n\nsat\u00a0down", "cat cat cat",
         "cat cat dog", "\u3000東京\u3000", "$1,000", "“quoted”", "the-the", "U.S.A", "usa", "thé", "the_cat"]


def words(text):
    bare = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(?:a|an|the)\b", " ", bare).split()


def f1(answer, expected):
    given, wanted = words(answer), words(expected)
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(given), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def wilson():
    for n in [1, 2, 7, 100, 1319, 1000000]:
        for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
            low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
            yield {"successes": k, "trials": n, "low": low, "high": high}


def normal():
    r = random.Random(3)
    for n in [2, 5, 400]:
        scores = [r.choice([0.0, 1.0, r.random()]) for _ in range(n)]
        mean = float(np.mean(scores))
        low, high = stats.norm.interval(0.95, loc=mean, scale=stats.sem(scores))
        yield {"scores": scores, "low": max(0.0, low), "high": min(1.0, high)}


def sign():
    for better, worse in [(0, 0), (1, 0), (0, 6), (5, 5), (6, 5), (3, 12), (121, 59), (10, 1000), (5200, 5000), (500000, 501500)]:
        yield {"better": better, "worse": worse, "p": float(mcnemar([[0, better], [worse, 0]], exact=True).pvalue) if better + worse else 1.0}


print(json.dumps({
    "wilson": list(wilson()),
    "normal": list(normal()),
    "sign": list(sign()),
    "f1": [{"answer": a, "expected": b, "f1": f1(a, b)} for a in TEXTS for b in TEXTS],
}, indent=0, ensure_ascii=True))
