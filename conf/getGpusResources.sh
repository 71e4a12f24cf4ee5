#!/usr/bin/env bash
# Prints the GPUs of this machine as Spark's resource discovery wants them: {"name": "gpu", "addresses": ["0", "1"]}.
# An address is the index by which the CUDA or OpenCL driver knows the GPU in a process that has this environment.
set -euo pipefail

fail() {
  echo "getGpusResources.sh: $*" >&2
  exit 1
}

if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
  # A scheduler has chosen already; CUDA counts those that it has left anew.
  case $CUDA_VISIBLE_DEVICES in
    "" | -* | NoDevFiles) fail "CUDA_VISIBLE_DEVICES='$CUDA_VISIBLE_DEVICES' hides every GPU" ;;
  esac
  entries=${CUDA_VISIBLE_DEVICES//[!,]/}
  count=$((${#entries} + 1))
elif command -v nvidia-smi >/dev/null; then
  gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader) || fail "nvidia-smi failed: $gpus"
  count=$(grep -c '[0-9]' <<<"$gpus" || true)
  [ "$count" -gt 0 ] || fail "nvidia-smi finds no GPU"
elif command -v clinfo >/dev/null; then
  count=$(clinfo --raw 2>/dev/null | grep 'CL_DEVICE_TYPE ' | grep -c CL_DEVICE_TYPE_GPU || true)
  [ "$count" -gt 0 ] || fail "clinfo finds no OpenCL device that is a GPU"
else
  fail "there is neither nvidia-smi nor clinfo to find GPUs with; install the GPU's driver, or clinfo for OpenCL"
fi

addresses=$(seq -f '"%g"' -s ', ' 0 $((count - 1)))
echo "{\"name\": \"gpu\", \"addresses\": [$addresses]}"
