"""Golden values of TemplateFormatTest: python chat_templates.py OUTPUT_DIRECTORY

Templates in the style of Mixtral's fine-tunes, and conversations, with the tokens that transformers' apply_chat_template gives, in
templates.json.gz: {tokenizer, templates: [{name, template, mistral, cases: [{messages, tools, text, ids}]}]}; text and ids are null where
the template refuses. The tokenizer is base.json of the tokenizer's golden values with added special tokens. A last assistant message is
rendered with continue_final_message. Made with transformers 5.18.0, tokenizers 0.23.2 and jinja2 3.1.6.

Conversations hold no special tokens in their texts: transformers would make tokens of them, which this program never does.
"""
import gzip
import json
import os
import sys

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = os.path.join(HERE, "../resources/golden/tokenizer/variants/base.json")
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "[SYS]"]

CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
TEMPLATES = {
    "chatml": CHATML,
    "chatml with bos": "{{bos_token}}" + CHATML,
    "chatml with a default system message": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% if messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}\n" + CHATML,
    "chatml over lines": """
{%- for message in messages %}
    {%- if message.role in ['system', 'user', 'assistant'] -%}
        {{- '<|im_start|>' ~ message.role }}
{{ message.content | trim }}
        {%- if not loop.last or message.role != 'assistant' %}{{- '<|im_end|>' }}
{% endif %}
    {%- else %}
        {{- raise_exception('Only system, user and assistant roles are supported!') }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
""",
    "hermes with tools": """
{%- macro describe(tool) -%}
{"type": "function", "function": {{ tool.function | tojson }}}
{%- endmacro -%}
{{ bos_token }}{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}{% endif %}
    {{- "You may call these functions:\n<tools>" }}
    {%- for tool in tools %}{{ '\n' + describe(tool) }}{% endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>assistant' }}
        {%- for call in message.tool_calls %}
            {{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.previtem and loop.previtem.role != "tool" %}{{ '<|im_start|>tool' }}{% endif %}
        {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != "tool" %}{{ '<|im_end|>\n' }}{% endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
""",
    "vicuna": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{{ messages[0]['content'] + ' ' }}{% else %}{% set loop_messages = messages %}"
        "{{ 'A chat between a curious user and an artificial intelligence assistant. ' }}{% endif %}{% for message in loop_messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'].strip() + ' ' }}{% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
        "{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "alpaca": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\n\n' }}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ '### Instruction:\n' + message['content'].rstrip() + '\n\n' }}{% elif message['role'] == 'assistant' %}{{ '### Response:\n' + message['content'] + eos_token + '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}",
    "llama 2 style system": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
        "{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
        "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}"
        "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "system-aware mistral": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ '[SYS] ' + message['content'] + ' [SYS]' }}{% elif message['role'] == 'user' %}"
        "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}",
    "mistral v1": "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
    "mistral with a system message": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported") }}
    {%- endif %}
{%- endfor %}
""",
}

USER = {"role": "user", "content": "What is the capital of France?"}
SYSTEM = {"role": "system", "content": "Be kind.\n"}
ANSWER = {"role": "assistant", "content": " Paris, of course. "}
ODD = {"role": "user", "content": "  naïve café 日本語 😀\n\n\u2028x\u00a0▁ [REF] {{ bos_token }} {% if %} \x00\t"}
EMPTY = {"role": "user", "content": ""}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Wetter \"hier\" & <dort>", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": []}}}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "a1B2c3D4e", "type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "n": 1.0, "on": True}}}]}
RESULT = {"role": "tool", "content": "{\"t\": 3}", "tool_call_id": "a1B2c3D4e", "name": "weather"}
CONVERSATIONS = [
    ([USER], None), ([SYSTEM, USER], None), ([USER, ANSWER, ODD], None), ([SYSTEM, USER, ANSWER, ODD, ANSWER, USER], None), ([ODD], None), ([SYSTEM, ODD], None), ([EMPTY], None),
    ([USER, {"role": "assistant", "content": "Sure:"}], None), ([SYSTEM, USER, {"role": "assistant", "content": "The answer is "}], None), ([USER, ANSWER, USER, {"role": "assistant", "content": "1.\n"}], None),
    ([USER, USER], None), ([USER], [TOOL]), ([SYSTEM, USER], [TOOL, TOOL]), ([USER, CALL, RESULT], [TOOL]), ([SYSTEM, USER, CALL, RESULT, RESULT, ANSWER, USER], [TOOL]), ([{"role": "user", "content": "x", "name": "Ann"}], None),
]


def build():
    tokenizer = Tokenizer.from_file(BASE)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIALS])
    return tokenizer


def main():
    tokenizer = build()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    groups = []
    for name, template in TEMPLATES.items():
        cases = []
        for messages, tools in CONVERSATIONS:
            primed = messages[-1]["role"] == "assistant"
            options = dict(tools=tools, chat_template=template, add_generation_prompt=not primed, continue_final_message=primed)
            try:
                text = fast.apply_chat_template(messages, tokenize=False, **options)
                ids = fast.apply_chat_template(messages, tokenize=True, return_dict=False, **options)
            except Exception:
                text, ids = None, None
            cases.append({"messages": messages, "tools": tools, "text": text, "ids": ids})
        groups.append({"name": name, "mistral": name.startswith("mistral"), "template": template, "cases": cases})
    with open(os.path.join(sys.argv[1], "templates.json.gz"), "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
        file.write(json.dumps({"tokenizer": json.loads(tokenizer.to_str()), "templates": groups}).encode())
    print(sum(len(g["cases"]) for g in groups), "cases,", sum(c["ids"] is None for g in groups for c in g["cases"]), "refused")


main()
