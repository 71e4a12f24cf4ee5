"""Mixtral in PySpark: tables of prompts in, the same tables with answers out.

The work is done by spark-mixtral.jar, which Spark must have::

    pyspark --properties-file conf/spark-defaults.conf \\
        --jars job/target/spark-mixtral.jar \\
        --py-files job/python/spark_mixtral.py

Classic PySpark has ``Mixtral``, ``MixtralTransformer`` and ``ai_query``. Over
Spark Connect, where the jar is the server's, ``ai_query`` is plain SQL.

What is called on the JVM is tested there with the types that Python's values
have when they arrive; this file itself has been compiled, not run.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import JavaMLReadable, JavaMLReader, JavaMLWritable
from pyspark.ml.wrapper import JavaTransformer
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

__all__ = ["Mixtral", "MixtralTransformer", "Token", "ai_query"]

_PACKAGE = "io.github.sparkmixtral"

# A pipeline that is read back looks for its stages' Python classes in modules
# called like their Java packages.
sys.modules.setdefault(_PACKAGE, sys.modules[__name__])


class Token(NamedTuple):
    """A piece of text as the model sees it."""

    id: int
    text: str


class Mixtral:
    """Settings of a model; the model itself is loaded where it is needed."""

    def __init__(self, spark: SparkSession, java: Any) -> None:
        self._spark = spark
        self._java = java

    @classmethod
    def load(cls, spark: SparkSession, model: str, **options: Any) -> Mixtral:
        """Names a model (directory, GGUF file, URI, Hub id) and checks its headers.

        Raises a Py4JJavaError with one sentence where the model cannot be
        read, or an option is wrong.
        """
        java = spark._jvm.io.github.sparkmixtral.Mixtral
        return cls(spark, java.load(spark._jsparkSession, model, options))

    def with_options(self, **options: Any) -> Mixtral:
        """The same with options changed; None restores a default."""
        # "with" is a keyword of Python, but a method of Java's class.
        changed = getattr(self._java, "with")(options)
        return Mixtral(self._spark, changed)

    def generate(self, table: DataFrame) -> DataFrame:
        """The table with answers; lazy."""
        return DataFrame(self._java.generate(table._jdf), self._spark)

    def ask(self, prompt: str) -> str:
        """The answer to one prompt."""
        return self._java.ask(prompt)

    def chat(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The answer to a conversation of {"role": ..., "content": ...}."""
        return self._java.chat([dict(message) for message in messages])

    def tokens(self, text: str) -> List[Token]:
        """The text as the model's tokens."""
        return [Token(t.id(), t.text()) for t in self._java.tokens(text)]

    def experts(self, prompts: Sequence[str]) -> DataFrame:
        """Which experts the tokens of prompts go to, layer by layer."""
        return DataFrame(self._java.experts(list(prompts)), self._spark)

    def options(self) -> Dict[str, Any]:
        """The options that were given."""
        return dict(self._java.options())

    def close(self) -> None:
        """Frees the model's memory in the driver; what needs it loads it."""
        self._java.close()

    def __enter__(self) -> Mixtral:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class _Reader(JavaMLReader):
    """Reads a stage by its Java class, which PySpark would guess wrong."""

    @classmethod
    def _java_loader_class(cls, clazz: Any) -> str:
        return _PACKAGE + ".MixtralTransformer"


def _param(name: str, doc: str, converter: Any) -> Param:
    return Param(Params._dummy(), name, doc, typeConverter=converter)


_TEXT = TypeConverters.toString
_WHOLE = TypeConverters.toInt
_NUMBER = TypeConverters.toFloat
_FLAG = TypeConverters.toBoolean
_TEXTS = TypeConverters.toListString


class MixtralTransformer(JavaTransformer, JavaMLReadable, JavaMLWritable):
    """Mixtral as a stage of a pipeline, with options as parameters.

    >>> answer = MixtralTransformer(model="conf/demo/model.gguf", maxTokens=64)
    >>> answer.transform(spark.table("questions"))  # doctest: +SKIP

    A parameter that is not set has the default of the option of its name.
    """

    model = _param("model", "directory, GGUF file, URI or Hugging Face Hub id", _TEXT)
    maxTokens = _param("maxTokens", "most tokens to generate", _WHOLE)
    minTokens = _param("minTokens", "no end before that many", _WHOLE)
    temperature = _param("temperature", "0 is greedy", _NUMBER)
    topP = _param("topP", "in (0, 1]", _NUMBER)
    topK = _param("topK", "0 keeps all", _WHOLE)
    minP = _param("minP", "in [0, 1]", _NUMBER)
    repetitionPenalty = _param("repetitionPenalty", "1 is off", _NUMBER)
    seed = _param("seed", "decides every draw", _WHOLE)
    stop = _param("stop", "texts that end the answer", _TEXTS)
    n = _param("n", "answers per prompt", _WHOLE)
    logprobs = _param("logprobs", "likeliest tokens told", _WHOLE)
    responseFormat = _param("responseFormat", "what answers have to be", _TEXT)
    outputColumnType = _param("outputColumnType", "schema or an SQL type", _TEXT)
    requireComplete = _param("requireComplete", "cut answers are errors", _FLAG)
    systemPrompt = _param("systemPrompt", "system message", _TEXT)
    safePrompt = _param("safePrompt", "Mistral's safe_prompt", _FLAG)
    promptTemplate = _param("promptTemplate", "prompt of columns", _TEXT)
    promptCol = _param("promptCol", "column with the prompt", _TEXT)
    messagesCol = _param("messagesCol", "conversation's column", _TEXT)
    idCol = _param("idCol", "column with a unique id", _TEXT)
    outputCol = _param("outputCol", "name of the answer's column", _TEXT)
    task = _param("task", "chat, complete, embed, score or classify", _TEXT)
    quantization = _param("quantization", "none, q8_0, q4_0 or nf4", _TEXT)
    backend = _param("backend", "auto takes the best", _TEXT)
    maxNumSeqs = _param("maxNumSeqs", "sequences in one step", _WHOLE)
    kvCacheMemory = _param("kvCacheMemory", "such as 4g, or auto", _TEXT)
    options = _param("options", "more options, as JSON", _TEXT)

    @keyword_only
    def __init__(self, **params: Any) -> None:
        super().__init__()
        self._java_obj = self._new_java_obj(
            _PACKAGE + ".MixtralTransformer", self.uid
        )
        self._set(**params)

    def setParams(self, **params: Any) -> MixtralTransformer:
        """Sets parameters by name."""
        return self._set(**params)

    @classmethod
    def read(cls) -> JavaMLReader:
        """A reader of saved stages."""
        return _Reader(cls)


def ai_query(model: str, prompt: Column, **parameters: Any) -> Column:
    """The answers to a column of prompts; over Spark Connect, too.

    It calls the SQL function of that name, which spark.sql.extensions brings.
    """
    arguments = [F.lit(model), prompt]
    if parameters:
        named = [F.lit(v).alias(name) for name, v in parameters.items()]
        arguments.append(F.struct(*named))
    return F.call_function("ai_query", *arguments)
