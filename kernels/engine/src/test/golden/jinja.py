"""Golden values of JinjaGoldenTest: python jinja.py OUTPUT_DIRECTORY

Small templates with their variables, and what jinja2 renders as transformers sets it up, in jinja.json.gz: {variables, cases}, where a case is
{template, result}, where result is null if jinja2 fails. Made with transformers 5.18.0 and jinja2 3.1.6.
"""
import gzip
import json
import os
import sys

from transformers.utils import chat_template_utils

VARIABLES = {
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hi <|im_end|> "},
                 {"role": "assistant", "content": "Hello\n\nworld"}, {"role": "user", "content": "naïve 日本 😀 ß"}],
    "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Wetter \"hier\" & <dort>", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "enum": ["Köln", "東京"]}, "n": {"type": "number", "default": 1e-7}},
        "required": ["city"]}}}, {"type": "function", "function": {"name": "f", "parameters": {}}}],
    "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>",
    "n": 7, "x": 2.5, "t": True, "f": False, "nil": None, "s": "a-b c_d's", "list": [3, 1, 2], "words": ["b", "A", "c", "a"],
    "d": {"b": 1, "a": [True, None, 1.0], "C": {"k": "v'\"\n"}}, "empty": [], "big": 123456789012345678901234567890,
    "floats": [0.1, 1e22, 1e16, 123456.789, 1e-5, -0.0, 100.0, 5e-324, 1.0],
    "people": [{"name": "Zoe", "age": 3, "x": {"y": 1}}, {"name": "adam", "age": 20, "x": {"y": 0}}, {"name": "Bob", "age": 3, "x": {"y": 2}}],
    "text": "one two\tthree\n four  ", "odd": "\u2028\x00\x7f\x85\u00ad\U0001f600\ufeff\u0378",
}

EXPRESSIONS = """
n + 1|n * x|n / 2|n // 2|-n // 2|n % 3|-n % 3|n % -3|2 ** 10|2 ** -1|2 ** 3 ** 2|-n|+n|n - 1 - 1|x // 1|-x % 2|7.5 // 2|1e3|1_000|0x1F|0b11|0o17|1.5e-7
n > 3 and 'y' or 'n'|0 or none or 'last'|t and n|not n|1 < n < 10|1 < n > 10|n == 7.0|t == 1|'a' < 'b'|'Z' < 'a'|[1, 2] < [1, 3]|(1, 2) == (1, 2)|[1] == (1,)|1 in list|'o' in 'foo'
4 not in list|'b' in d|nil == none|nil is none|nil is not none|missing is defined|missing is undefined|missing == other|missing|'x' ~ missing ~ 'y'|'a' ~ 1 ~ 2.0 ~ none ~ true ~ [1, 'a']
n is number|t is number|t is boolean|n is integer|t is integer|x is float|s is string|d is mapping|list is sequence|d is sequence|s is sequence|n is iterable|list is iterable|missing is iterable
n is odd|n is even|n is divisibleby 7|n is divisibleby(2)|n is equalto 7|n is eq(7)|n is ne 7|n is gt 3|n is lt 3|n is ge 7|1 is in list|'a' is in 'abc'|t is true|n is true|f is false|nil is sameas none|'abc' is lower|'ABC' is upper
t|f|nil|big|x|floats|d|list|(1,)|()|(1, 'a')|[]|{}|{'a': 1, 2: 'b', none: true}|['a\\'b', "c\\"d", 'e\\n\\t\\\\']|[odd]|d.a|d['a']|d.C.k|d.missing|d['missing']|d.b.c.d|missing.x|missing['x']|nil.x|n.x|s.x|d.items
list[0]|list[-1]|list[5]|list[1:]|list[:-1]|list[::-1]|list[::2]|s[0]|s[-1]|s[2:5]|s[::-1]|s[5:2:-1]|messages[3].content[::-1]|messages[3].content[6:]|messages[3].content|length|(1, 2, 3)[1:]|range(3)[1]|d[0]|n[0]|s['x']|list['x']|list.0|list[1.0]|list[true]
s.upper()|s.title()|s.capitalize()|'ßa'.capitalize()|'ß'.upper()|'İ'.lower()|'ΑΣ'.lower()|'ABC'.lower()|text.split()|text.split(' ')|text.split(none, 1)|text.rsplit(' ', 1)|text.rsplit(none, 1)|'a,b,,c'.split(',')|'a,b,,c'.split(',', 1)|'a,b,,c'.rsplit(',', 2)|'a--b'.split('--')|'a'.split('')
text.strip()|text.lstrip()|text.rstrip()|'xxaxx'.strip('x')|'xyaxy'.lstrip('yx')|'ab'.startswith('a')|'ab'.startswith(('x', 'a'))|'ab'.endswith('b')|'abc'.replace('b', 'XX')|'aaa'.replace('a', 'b', 2)|'abc'.replace('', '-')|'abc'.find('c')|'😀c'.find('c')|'abc'.find('x')|'abcb'.rfind('b')|'abc'.index('x')|'aXbX'.count('X')|'abc'.count('')
'-'.join(words)|'-'.join('abc')|'-'.join([1])|'12'.isdigit()|''.isdigit()|'a1'.isalnum()|'ab'.isalpha()|' '.isspace()|'aB'.islower()|'AB1'.isupper()|'a=b=c'.partition('=')|'a=b=c'.rpartition('=')|'abc'.removeprefix('a')|'abc'.removesuffix('c')|'7'.zfill(3)|'-7'.zfill(4)|'a\\r\\nb\\nc\\x0bd'.splitlines()|'a\\nb'.splitlines(true)|'a\\n'.splitlines()
d.keys()|d.values()|d.items()|d.keys()|list|d.items()|list|d.get('b')|d.get('z')|d.get('z', 5)|d.get('a')[0]|list.index(2)|list.count(1)|list.append(4)|d.update({'z': 1})|list.pop()|d.pop('a')|s.__class__|d.__class__.__mro__
s|upper|s|lower|s|title|'a (b [c {d <e -f'|title|s|capitalize|s|length|list|count|text|trim|'xax'|trim('x')|missing|trim|missing|upper|n|upper|missing|length|s|first|s|last|list|first|list|last|empty|first|empty|last|missing|first
missing|default('d')|missing|d('d')|nil|default('d')|nil|default('d', true)|''|default('d', boolean=true)|'x'|default('d', true)|missing.y|default('d')|list|join|list|join(', ')|people|join(', ', attribute='name')|missing|join|d|join(',')|[1, none, true]|join('-')
list|sort|list|sort(reverse=true)|words|sort|words|sort(case_sensitive=true)|people|map(attribute='name')|join(',')|people|sort(attribute='age')|map(attribute='name')|join(',')|people|sort(attribute='age,name')|map(attribute='name')|join(',')|people|sort(attribute='x.y', reverse=true)|map(attribute='name')|list|[1, 'a']|sort|[1, 2.5, true]|sort
people|selectattr('age', 'equalto', 3)|map(attribute='name')|list|people|rejectattr('age', 'gt', 10)|list|length|people|selectattr('x.y')|map(attribute='name')|list|list|select('odd')|list|list|reject('odd')|list|[0, 1, '', 'a']|select|list|list|map('string')|list|words|map('upper')|join|['a', 'b']|map('replace', 'a', 'z')|list|people|map(attribute='zzz', default='?')|list|people|map(attribute='name')
words|unique|list|[1, 1.0, true, 2]|unique|list|people|unique(attribute='age')|map(attribute='name')|list|words|unique(case_sensitive=true)|list|list|min|list|max|words|max|empty|min|people|max(attribute='age')|list|sum|people|sum(attribute='age')|floats|sum|list|reverse|list|s|reverse|list|reverse|d|items|list|missing|items|list|list|items|d|dictsort|d|dictsort(true)|{'a': 2, 'b': 1}|dictsort(by='value')|{'a': 2, 'b': 1}|dictsort(reverse=true)
'42'|int|' -42 '|int|'4_2'|int|'x'|int|'x'|int(5)|'3.9'|int|x|int|nil|int|t|int|'1e3'|int|missing|int|'2.5'|float|'x'|float|'inf'|float|n|float|nil|float(1.0)|x|round|3.5|round|2.675|round(2)|n|round|2.1|round(method='ceil')|2.19|round(1, 'floor')|-0.4|round|1234|round(-2)|-5|abs|-2.5|abs|'a'|abs
'a\\nb\\n\\nc'|indent|'a\\nb'|indent(2)|'a\\nb'|indent(2, true)|'a\\n\\nb'|indent(2, blank=true)|'a\\nb'|indent('> ')|''|indent(2, true)|'<&>"\\''|escape|'<b>'|e|'<b>'|safe|n|string|nil|string|list|string|'aba'|replace('a', 'x')|'aba'|replace('a', 'x', 1)|n|replace('7', '8')|'abc'|list|d|list|missing|list|n|list|d|length
d|tojson|tools|tojson|tools[0]|tojson(indent=2)|tools|tojson(indent=4)|d|tojson(sort_keys=true)|d|tojson(separators=(',', ':'))|'é😀'|tojson(ensure_ascii=true)|floats|tojson|odd|tojson|(1, 2)|tojson|{1: 2, none: 3, true: 4, 2.5: 5}|tojson|missing|tojson|[]|tojson(indent=2)|{}|tojson(indent=2)|[[], {}, [1]]|tojson(indent=1)|d|tojson(indent='\\t')|range(2)|tojson|'</script>'|tojson|nil|tojson
'yes' if t else 'no'|'yes' if f|'a' if f else 'b' if f else 'c'|[1, 2][0] if list else 0|1 if nil is none else 2|'a' 'b'|'\\u00e9\\x41\\101\\q'|"it's"|'a' + 'b'|'a' + 1|1 + 'a'|'a' + missing|[1] + [2]|(1,) + (2,)|[1] + (2,)|'ab' * 3|3 * 'ab'|[1] * 2|'a' * -1|1 / 0|1 % 0|none + 1|'a' - 'b'
1, 2|(1)|loop|self_|range(5)|list|range(2, 8, 3)|list|range(5, 0, -2)|list|range(100001)|dict(a=1)|dict({'z': 2}, a=1)|namespace(a=1).a|namespace().a|raise_exception('no')|n()|missing()|s.upper|nothing|undefined_filter|n is undefined_test|messages|map(attribute='role')|unique|list|(messages|last).content|messages[-1]['role']|messages[0].content.strip().upper()[0:2]|[messages[0]][0]['content']
-n|abs|not n == 7|not missing is defined|n is not number|n is defined and n > 3|missing is defined and missing.x|(n > 3) | string|'a' ~ 'b' == 'ab'|1 + 2 ~ 3|2 * 3 ~ 4|-1 ** 2|'%s' is string and 'x' or 'y'|d.a[0] is true|'x' in missing|missing in list|1 in 'a'|1 < 'a'|none < 1|true + true|t * 3|floats|map('int')|list|[1.0, 2]|join
"""

STATEMENTS = [
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>{{ loop.nextitem.role if not loop.last else '-' }} {{ loop.cycle('a', 'b') }} {{ loop.changed(m.role) }};{% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}{{ loop.last }}{{ m.content }}{% else %}none{% endfor %}",
    "{% for m in messages if m.role == 'x' %}a{% else %}none{% endfor %}", "{% for m in empty %}a{% else %}none{% endfor %}", "{% for m in missing %}a{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }},{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}x{% endfor %}", "{% for c in 'a😀b' %}[{{ c }}]{% endfor %}", "{% for x in n %}a{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for i in list %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "{% for i in list %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% else %}e{% endfor %}",
    "{% for i in [1, 2] %}{% for j in [1, 2] %}{{ i }}{{ j }}{% if j == 1 %}{% break %}{% endif %}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% set a = 1 %}{% for i in list %}{% set a = a + i %}{{ a }}{% endfor %}|{{ a }}", "{% set ns = namespace(a=1) %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}", "{% set n.a = 1 %}",
    "{% if f %}a{% elif nil %}b{% elif n %}c{% else %}d{% endif %}", "{% if f %}a{% endif %}b", "{% if t %}{% set q = 1 %}{% endif %}{{ q }}", "{% if f %}{% set q = 1 %}{% endif %}[{{ q }}]",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set a %}x {{ n }} y{% endset %}[{{ a }}]", "{% set a | upper %}x{{ n }}{% endset %}{{ a }}", "{% set a | replace('x', 'yy') | upper %}x{% endset %}{{ a }}",
    "{% macro m(a, b=2, c='z') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c=4) }} {{ m() }} {{ m(b=a) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m('x') | upper }}{{ m('x') ~ 'y' }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m(i) %}{% if i > 0 %}{{ i }}{{ m(i - 1) }}{% endif %}{% endmacro %}{{ m(5) }}",
    "{% macro m() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ m() }}", "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}x{{ n }}{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a + b }}{% endcall %}",
    "{% macro m() %}{% set n = 99 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}", "{% set v = 1 %}{% macro m() %}{{ v }}{% endmacro %}{% set v = 2 %}{{ m() }}",
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aca{% endfilter %}", "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}[{{ a }}]", "{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% generation %}x{% set g = 1 %}{{ g }}{% endgeneration %}[{{ g }}]", "{%- generation -%} x {%- endgeneration -%} y", "{% raw %}{{ n }} {% x %}{% endraw %}", "a {%- raw -%} {{ n }} {%- endraw -%} b", "{% raw %}\n a {% endraw %}\n b",
    "{# comment #}a", "a {#- c -#} b", "a\n  {# c #}\nb", "a\n  {#+ c #}\nb", "{# {{ n }} {% if %} #}x", "{#-#}x", "a {#-#} b",
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n", "a\n  {%- if t -%}\n  b\n  {%- endif -%}\nc", "a\n  {%+ if t %}\n  b\n  {%+ endif +%}\nc", "  {{ n }}  \n\n {{- n -}} \n x", "{{ n }}\n{{ n }}\n", "{% if t %}\n\nx{% endif %}\n\n\n", "x\n\n", "x\r\ny\rz\r\n",
    "  {% if t %} x{% endif %}", " a {% if t %} x{% endif %}", "{% if t %}  {% if t %}x{% endif %}{% endif %}", "{% if t %}\n  {% if t %}x{% endif %}{% endif %}", "{{ n }}  {% if t %}x{% endif %}", "\t\u00a0{% if t %}x{% endif %}", "a\n\u2003{% if t %}x{% endif %}",
    "{{ '}}' }}{{ '{{' }}{{ \"%}\" }}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{{'a': 1}}}", "{{ {'a': 1}.a}}", "{{+ n }}", "{{ n -}}  x", "{{-n-}}", "{%if t%}x{%endif%}", "{ {n} } { % }", "{{ 'a\nb' }}",
    "{% if %}x{% endif %}", "{% for %}{% endfor %}", "{% if t %}x", "{% endif %}", "{{ n", "{% n %}", "{{ n }", "{# x", "{{ }}", "{{ 'a }}", "{{ n n }}", "{{ (n }}", "{{ n) }}", "{{ [1, 2 }}", "{% break %}", "{{ n is string is defined }}", "{% set true = 1 %}", "{% do n %}", "{{ a.b.c }}", "{{ 1 2 }}", "{{ n | }}", "{{ n $ }}", "{% if t %}{% endfor %}", "{% set x %}", "{% macro m( %}{% endmacro %}", "{% for x in list %}{% else %}{% else %}{% endfor %}",
    "{% set loop = 1 %}{{ loop }}", "{% for i in list %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% for i in list %}{% set ns = namespace(x=i) %}{{ ns.x }}{% endfor %}", "{% set x = [1] %}{% set y = x + [2] %}{{ x }}{{ y }}", "{% for m in messages[1:] %}{{ m['role'] }}{% endfor %}", "{% for i in range(3) %}{{ i }}{% endfor %}", "{% for i in range(0, messages|length, 2) %}{{ messages[i].role }}{% endfor %}", "{% for x in d|dictsort %}{{ x[0] }}{{ x[1] }}{% endfor %}", "{% for k, v in d|items %}{{ loop.last }}{{ loop.length }}{{ k }}{% endfor %}", "{% for x in list|reverse %}{{ x }}{{ loop.revindex }}{% endfor %}",
    "{% for g in people|groupby('age') %}{{ g.grouper }}{% endfor %}", "{% include 'x' %}", "{% block a %}x{% endblock %}", "{% for x in d recursive %}{{ loop(x) }}{% endfor %}", "{{ '%s' % n }}", "{{ '{}'.format(n) }}", "{{ s.encode() }}", "{{ cycler(1, 2) }}", "{{ ('<b>'|safe) + '<' }}", "{{ list|batch(2)|list }}", "{{ s|truncate(3) }}", "{{ m(*list) }}",
    "{{ messages | tojson }}", "{% set content = messages[1]['content'] %}{% if content is string %}{{ content | trim }}{% endif %}", "{{ (bos_token ~ messages[0]['content']).strip() }}", "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{{ message['content'] }}{% endfor %}{{ system_message }}",
    "{{ strftime_now('%%') }}", "{{ namespace(a=1, b='x') }}", "{{ namespace({'a': [1]}) }}", "{% set ns = namespace() %}{% set ns.list = [] %}{% for i in list %}{% set ns.list = ns.list + [i * 2] %}{% endfor %}{{ ns.list }}",
    "{{ 'abc'|batch }}", "{% autoescape true %}{% endautoescape %}", "{{ n if n else }}", "{{ d['a'][0:1] }}", "{{ messages[0]['content'][:2] }}", "{{ messages[:2] | length }}", "{{ [messages[0]] + messages[1:] | length }}", "{% set m = messages | selectattr('role', 'equalto', 'user') | list %}{{ m[-1].content }}", "{{ messages | selectattr('role', 'in', ['user', 'system']) | list | length }}", "{{ messages | map(attribute='content') | map('length') | sum }}", "{{ messages|rejectattr('role', '==', 'user')|map(attribute='role')|join(' ') }}",
]


def render(template):
    try:
        return chat_template_utils.render_jinja_template([VARIABLES["messages"]], chat_template=template, tools=VARIABLES["tools"],
                                                         **{k: v for k, v in VARIABLES.items() if k not in ("messages", "tools")})[0][0]
    except Exception:
        return None


def main():
    # Expressions are separated by bars, and filters are too: every run of parts is an expression as good as another.
    templates = list(STATEMENTS)
    for line in EXPRESSIONS.strip().splitlines():
        parts = line.replace("\\\\", "\\").split("|")
        for i, part in enumerate(parts):
            templates.append("{{ " + part + " }}")
            for length in range(2, 6):
                if i + length <= len(parts):
                    templates.append("{{ " + "|".join(parts[i:i + length]) + " }}")
    seen = dict.fromkeys(templates)
    cases = [{"template": t, "result": render(t)} for t in seen]
    cases = [c for c in cases if c["result"] is None or " at 0x" not in c["result"]]
    with open(os.path.join(sys.argv[1], "jinja.json.gz"), "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
        file.write(json.dumps({"variables": VARIABLES, "cases": cases}).encode())
    print(len(cases), "cases,", sum(c["result"] is None for c in cases), "errors")


main()
