#!/usr/bin/env bash
# Makes .venv from a lock. Called by `make setup`; does nothing when the lock and pyproject.toml are as they were.
#   PYTHON    the interpreter to build .venv with (python3)
#   KIND      cpu or cuda (cuda where nvidia-smi answers)
#   PIP_ARGS  more words for pip, e.g. an index that serves the CPU build of torch
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
kind=${KIND:-$(nvidia-smi >/dev/null 2>&1 && echo cuda || echo cpu)}
lock=requirements/$kind.txt
stamp=.venv/.stamp-$kind
log=.venv/setup.log

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

[ -f "$lock" ] || fail "there is no lock $lock; KIND is one of: cpu, cuda"
command -v "$python" >/dev/null || fail "'$python' was not found; name a Python 3.11 or newer: make setup PYTHON=python3.12"
# A shim of a version manager is there and yet starts nothing; that is not a Python that is too old.
found=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3], sys.version_info >= (3, 11))' 2>&1) ||
    fail "'$python' ($(command -v "$python")) is not usable: ${found%%$'\n'*} Name another one: make setup PYTHON=python3.12"
[[ $found == *True ]] ||
    fail "'$python' is Python ${found% *}, too old: coeflab needs 3.11 or newer: make setup PYTHON=python3.12"
# The hash covers what .venv is made of: the lock, the project's settings, this script, the Python and the folder.
hash=$("$python" - "$lock" <<'PY'
import hashlib, os, sys

parts = [open(name, "rb").read() for name in (sys.argv[1], "pyproject.toml", "requirements/install.sh")]
parts += [sys.version.encode(), os.getcwd().encode()]
print(hashlib.sha256(b"\0".join(parts)).hexdigest())
PY
)

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$hash" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi
[ ! -L .venv ] || fail ".venv is a link to $(readlink .venv), which set-up would overwrite; remove the link first: rm .venv"
started=$SECONDS
# An earlier set-up that was finished is brought up to date in place; anything else (none, interrupted, of the other kind) starts anew.
if [ -f "$stamp" ] && .venv/bin/python -c "import sys; sys.exit('$("$python" -V)' != 'Python ' + sys.version.split()[0])" 2>/dev/null; then
    say "the lock or the settings changed: bringing .venv ($kind) up to date"
    rm -f "$stamp"
else
    say "making .venv ($kind) with $("$python" --version)"
    "$python" -m venv --clear .venv || fail "'$python -m venv' failed (on Debian it needs the package python3-venv)"
fi

packages=$(grep -c '==' "$lock")
case $kind in
    cpu) size="about 1.0 GB to fetch, 3.0 GB on disk" ;;
    *) size="several GB" ;;
esac
say "installing $packages packages from $lock ($size); all that pip says goes to $log"
pip() { .venv/bin/python -m pip "$@"; }
# Fetched first, a part of the lock at a time, into a folder that an interrupted set-up keeps and the next one goes on from.
wheels=.wheels-$kind
mkdir -p "$wheels"
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
grep '==' "$lock" | split -l 25 - "$parts/part-"
: >"$log"
fetched=0
for part in "$parts"/part-*; do
    # shellcheck disable=SC2086  # PIP_ARGS is several words
    pip download --no-deps --only-binary :all: --disable-pip-version-check --no-input --progress-bar off \
        --dest "$wheels" --find-links "$wheels" ${PIP_ARGS:-} -r "$part" >>"$log" 2>&1 ||
        { grep '^ERROR' "$log" >&2; fail "pip could not fetch what $lock names; the whole story is in $log"; }
    fetched=$((fetched + $(wc -l <"$part")))
    say "  $fetched of $packages fetched, $((SECONDS - started)) s"
done
say "  unpacking, $((SECONDS - started)) s"
# --no-compile: half of the time and 0.5 GB; Python compiles what is really imported on its first import.
pip install --no-deps --no-index --find-links "$wheels" --disable-pip-version-check --no-input --progress-bar off \
    --no-compile -r "$lock" >>"$log" 2>&1 ||
    { grep '^ERROR' "$log" >&2; fail "pip could not install $lock; the whole story is in $log"; }

if ! .venv/bin/python -c 'import torch' >>"$log" 2>&1; then
    [ "$kind" = cpu ] || fail "torch is installed but cannot be imported; see the end of $log"
    fail "torch is installed but cannot be imported: pip probably took its CUDA build, whose libraries this lock leaves out." \
        "Name an index with the CPU build (PyTorch has one): make setup PIP_ARGS='--extra-index-url URL'"
fi
# Processes that may write no file (symbolic workers, sandboxed programs) would compile these anew at every start.
read_only_users="sympy mpmath antlr4 latex2sympy2_extended numpy"
folder=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
(cd "$folder" && "$OLDPWD/.venv/bin/python" -m compileall -q -j 0 $read_only_users >>"$OLDPWD/$log" 2>&1) || true
say "installing coeflab itself, as a link to this folder"
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check -e . >>"$log" 2>&1 ||
    fail "pip could not install this folder; see the end of $log"
rm -rf .venv/.stamp-* "$wheels"
echo "$hash" >"$stamp"
say "done in $((SECONDS - started)) s ($(du -sh .venv | cut -f1) in .venv)"
