#!/bin/sh
# Makes the demo model and its prompts from a seed: generator -> training -> GGUF -> scores.
#   train.sh TOKENIZER_MODEL_V1 RUN_DIRECTORY OUT_DIRECTORY [train.py's options]
# An interrupted training goes on from its last checkpoint when the same command is given again.
set -eu
if [ $# -lt 3 ]; then
    echo "usage: train.sh TOKENIZER_MODEL_V1 RUN_DIRECTORY OUT_DIRECTORY [train.py's options]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
tokenizer=$1 run=$2 out=$3
shift 3
python=${PYTHON:-python3}
mkdir -p "$run" "$out"
"$python" "$here/train.py" --tokenizer "$tokenizer" --run "$run" "$@"
"$python" "$here/curve.py" --run "$run" --out "$out/loss.svg"
"$python" "$here/export.py" --tokenizer "$tokenizer" --run "$run" --out "$out/model.gguf"
"$python" "$here/prompts.py" --tokenizer "$tokenizer" --out "$out/prompts.jsonl"
"$python" "$here/evaluate.py" --tokenizer "$tokenizer" --model "$out/model.gguf" --prompts "$out/prompts.jsonl" \
    --texts "$out/texts.jsonl" | tee "$out/scores.txt"
