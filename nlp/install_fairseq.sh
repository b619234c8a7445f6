#!/bin/sh
# Install fairseq-fixed, which does the modelling of translation, into an environment that has the
# extra `nlp`:    nlp/install_fairseq.sh .venv/bin/python
#
# It comes as source and takes minutes to compile, so the wheel is kept for the next environment
# with the same Python and torch, in ${XDG_CACHE_HOME:-~/.cache}/wdbench/wheels. Built without
# isolation, or pip would fetch the newest torch for the build; installed without dependencies, as
# it asks for a torchaudio that translation does not need. Exit code 1 when it cannot be built.
set -eu
python=$1
package=fairseq-fixed version=0.12.3.1

if [ "$("$python" -m pip list --format=freeze 2>/dev/null | grep -i "^$package==")" = "$package==$version" ]; then
    exit 0
fi

key=$("$python" -c '
import platform, sys, torch
print(f"{sys.implementation.cache_tag}-torch{torch.__version__}-{sys.platform}-{platform.machine()}")')
wheels=${XDG_CACHE_HOME:-$HOME/.cache}/wdbench/wheels
wheel=$(find "$wheels/$key" -name '*.whl' 2>/dev/null | head -n 1)

if [ -z "$wheel" ]; then
    if ! command -v "${CXX:-c++}" >/dev/null && ! command -v g++ >/dev/null; then
        echo "Translation needs $package, and building it a C++ compiler, which is not here:" \
            "install g++ (Debian, Ubuntu: apt install g++), then \`make nlp\`." >&2
        exit 1
    fi
    echo "Building $package $version for translation: this takes some minutes, the first time only."
    mkdir -p "$wheels/$key"
    building=$(mktemp -d "$wheels/building.XXXXXX")
    trap 'rm -rf "$building"' EXIT
    # pip's own cache does not know which torch a wheel was compiled against.
    if ! "$python" -m pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation \
        --no-binary "$package" --wheel-dir "$building" "$package==$version" \
        >"$building/log" 2>&1; then
        mv "$building/log" "$wheels/$key/failed.log"
        echo "Translation needs $package, which could not be built: see $wheels/$key/failed.log" >&2
        exit 1
    fi
    mv "$building"/*.whl "$wheels/$key/" # a rename: never a part of a file
    wheel=$(find "$wheels/$key" -name '*.whl' | head -n 1)
fi
"$python" -m pip install --quiet --no-deps "$wheel"
