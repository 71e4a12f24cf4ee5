#!/bin/sh
# Makes the second demo model, its prompts and its questions from the first model: generator -> training -> GGUF -> scores.
#   train-agent.sh TOKENIZER_MODEL_V3 FIRST_MODEL_GGUF RUN_DIRECTORY OUT_DIRECTORY [train.py's options]
# An interrupted training goes on from its last checkpoint when the same command is given again.
set -eu
if [ $# -lt 4 ]; then
    echo "usage: train-agent.sh TOKENIZER_MODEL_V3 FIRST_MODEL_GGUF RUN_DIRECTORY OUT_DIRECTORY [train.py's options]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
tokenizer=$1 first=$2 run=$3 out=$4
shift 4
python=${PYTHON:-python3}
mkdir -p "$run" "$out"
"$python" "$here/train.py" --recipe agent --tokenizer "$tokenizer" --start "$first" --run "$run" --processes 1 "$@"
"$python" "$here/curve.py" --run "$run" --out "$out/loss.svg"
"$python" "$here/export.py" --recipe agent --tokenizer "$tokenizer" --run "$run" --out "$out/model.gguf"
"$python" "$here/prompts.py" --recipe agent --tokenizer "$tokenizer" --out "$out/prompts.jsonl"
"$python" "$here/agent_questions.py" --tokenizer "$tokenizer" --out "$out/questions.jsonl"
"$python" "$here/prompts.py" --recipe agent --tokenizer "$tokenizer" --seed 2028 --each 4 --out "$out/agent-prompts.jsonl"
"$python" "$here/evaluate.py" --recipe agent --tokenizer "$tokenizer" --model "$out/model.gguf" --prompts "$out/agent-prompts.jsonl" \
    --texts "$out/agent-texts.jsonl" | tee "$out/scores.txt"
