#!/bin/sh
# All that needs a GPU, in one call:    scripts/gpu_check.sh [FOLDER] [SECONDS]
#
# What matters most comes first, and every part writes its file as it goes, so that what is there
# when the time is up can be used: FOLDER (gpu-check) gets agent.md, translation.md, tests.txt and
# pong/, whose first lines name date, card, torch and revision. The parts share SECONDS (540) as
# far as they need them. It takes the torch it finds; real translation pairs are looked for in data/
# (see tests/benchmarks/real_pairs.py).
set -u
cd "$(dirname "$0")/.."
folder=${1:-gpu-check} seconds=${2:-540} python=${PYTHON:-python3}
mkdir -p "$folder"
started=$(date +%s)

if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "gpu_check: torch sees no GPU here" >&2
    exit 2
fi

# part NAME SHARE COMMAND...: at most SHARE seconds of those that are left
part() {
    file=$folder/$1 share=$2
    shift 2
    left=$((seconds - $(date +%s) + started))
    [ "$left" -lt "$share" ] && share=$left
    if [ "$share" -lt 10 ]; then
        echo "gpu_check: no time left for $file"
        return
    fi
    "$python" -c 'import platform, torch
print(torch.cuda.get_device_name(), "| torch", torch.__version__, "| Python", platform.python_version())' >"$file"
    echo "$(date -u +%Y-%m-%d) | revision ${REVISION:-$(git rev-parse --short HEAD 2>/dev/null)} | $*" >>"$file"
    echo "== $file"
    PYTHONUNBUFFERED=1 timeout "$share" "$@" >>"$file" 2>&1
    echo "exit code $? after $(($(date +%s) - started)) s in all" >>"$file"
    grep -v Warning "$file" | tail -n 45
}

part agent.md 120 "$python" -m tests.benchmarks.agent --device cuda --filled 1000
part translation.md 130 "$python" -m tests.benchmarks.translation_gpu --epochs 2
part tests.txt 150 "$python" -m pytest -q -m gpu --show-capture=no -p no:cacheprovider \
    tests/shared_optim tests/rl tests/nlp tests/suite
part pong.txt 540 "$python" -m suite run rl --game Pong --scheme none l2 decoupled separated \
    --weight-decay 1e-3 --seed 0 1 2 --preset dopamine --precision bf16 --padding valid \
    --replay-capacity 100000 --iterations 1 --training-steps 50000 --evaluation-steps 0 \
    --log-every 5000 --runs "$folder/pong"
