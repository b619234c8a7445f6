#!/bin/sh
# All that needs a GPU, in one call:    scripts/gpu_check.sh [FOLDER] [SECONDS]
#
# What is timed comes first, one after the other; then tests and trainings side by side. Every part
# writes its file as it goes, so that what is there when the time is up can be used: FOLDER
# (gpu-check) gets agent.md, translation.md, images.md, tests-*.txt, pong/, resnet18/ and
# sharpness-*.txt, whose first lines name date, card, torch and revision. The parts share SECONDS (540)
# as far as they need them. It takes the torch it finds; real translation pairs are looked for in
# data/ (see tests/benchmarks/real_pairs.py), and so is CIFAR-10, in whose place stand drawings.
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

images=shapes
for name in cifar10_lossless cifar10; do
    [ -d "data/$name/all" ] && images=$name
done

part agent.md 120 "$python" -m tests.benchmarks.agent --device cuda --filled 1000
part translation.md 130 "$python" -m tests.benchmarks.translation_gpu --epochs 2 \
    --parts sides
part images.md 80 "$python" -m tests.benchmarks.images_gpu --data "$images" --epochs 4

# Nothing of what follows is timed, so it runs side by side.
for tests in shared_optim rl nlp vision; do
    part "tests-$tests.txt" 240 "$python" -m pytest -q -m gpu --show-capture=no \
        -p no:cacheprovider "tests/$tests" &
done
part pong.txt 540 "$python" -m suite run rl --game Pong --scheme none l2 decoupled separated \
    --weight-decay 1e-3 --seed 0 1 2 --preset dopamine --precision bf16 --padding valid \
    --replay-capacity 100000 --iterations 40 --training-steps 25000 --evaluation-steps 0 \
    --log-every 5000 --runs "$folder/pong" &
# trained RUN FLAGS...: half the paper's epochs, with early and late decay in a quarter each
trained() {
    run=$folder/resnet18/$1
    name=$1
    shift
    part "resnet18-$name.txt" 540 "$python" -m suite run vision --preset cifar10 --data "$images" \
        --epochs 100 --precision bf16 --evaluate-every 10 --runs "$run" "$@"
    done=$(find "$run" -name done.json)
    [ -z "$done" ] || part "sharpness-$name.txt" 540 "$python" -m suite sharpness --images 250 \
        "$(dirname "$done")"
}
trained none --scheme none &
trained always --scheme l2 --weight-decay 7e-4 &
trained early --scheme l2 --weight-decay 7e-4 --decay-schedule early:25epochs &
trained late --scheme l2 --weight-decay 7e-4 --decay-schedule late:25epochs &
wait
