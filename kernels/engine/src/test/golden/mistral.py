"""Imports mistral-common, of which only the text tokenizers are used here.

The golden values were made with mistral-common 1.12.0, sentencepiece 0.2.2 and tokenizers 0.23.2.
"""
import sys
import types

# Imported for country codes in a part that is not used; often not installed.
stub = types.ModuleType("pydantic_extra_types")
language = types.ModuleType("pydantic_extra_types.language_code")
language.LanguageAlpha2 = str
sys.modules.setdefault("pydantic_extra_types", stub)
sys.modules.setdefault("pydantic_extra_types.language_code", language)

import importlib.util
import os

DATA = os.path.join(list(importlib.util.find_spec("mistral_common").submodule_search_locations)[0], "data")
V1 = os.path.join(DATA, "tokenizer.model.v1")
V3 = os.path.join(DATA, "mistral_instruct_tokenizer_240323.model.v3")
