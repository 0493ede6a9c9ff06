#!/bin/sh
# Prints the Python to work with: a 3.13 that runs (a shim that only says "not installed" does not), else 3.11 or newer.
# `python.sh 3.13` accepts nothing else.
wanted=${1:-}

works() {
    "$1" -c 'import sys, venv, ensurepip
version = "%d.%d" % sys.version_info[:2]
sys.exit(not (sys.version_info >= (3, 11) and sys.argv[1] in ("", version)))' "$2" >/dev/null 2>&1
}

for candidate in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do
    if works "$candidate" 3.13; then
        command -v "$candidate"
        exit 0
    fi
done
if [ "$wanted" != 3.13 ]; then
    for candidate in python3.12 python3.11 python3.14 python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python3; do
        if works "$candidate" ""; then
            command -v "$candidate"
            exit 0
        fi
    done
fi
echo "parley: no Python ${wanted:-3.11 or newer} with venv found; install ${wanted:-3.13} (python.org, pyenv or your package manager)" >&2
exit 1
