"""A job script inside another one that lets it be asked to save, and brings it back into the queue when it has.

The script that Slurm gets is plain ``sh``: where lowtide cannot be started on the node the job runs as it would have,
and one that leaves with 75 is put back into the queue all the same.
"""

from __future__ import annotations

import shlex
from typing import Final

from lowtide.model.pausing import EX_TEMPFAIL, PAUSE_FILE, PROGRESS_FILE, RESUME, WATCHED

__all__ = ["GONE", "wrapped"]

GONE: Final = 3
"""Exit status of ``lowtide agent --leave``: the job has ended for good, as its own status says."""

_END: Final = "LOWTIDE_END_OF_THE_SCRIPT"
_BODY: Final = r"""
lowtide_label=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}
lowtide_dir=@FOLDER@/$lowtide_label
lowtide_script=$(mktemp "${TMPDIR:-/tmp}/lowtide-job-XXXXXX") || exit 1
cat > "$lowtide_script" <<'@END@'
@SCRIPT@
@END@
mkdir -p "$lowtide_dir" || echo "lowtide: $lowtide_dir cannot be made; the job is not paused" >&2
export @PAUSE@="$lowtide_dir/pause" @PROGRESS@="$lowtide_dir/progress"
rm -f "$@PAUSE@" "$@PAUSE@@WATCHED@"
lowtide_again=${SLURM_RESTART_COUNT:-0}
if [ "$lowtide_again" -gt 0 ]; then export @RESUME@=1; else unset @RESUME@; rm -f "$@PROGRESS@"; fi

lowtide_note() { # what has happened, one line a thing, for whoever plans the rest
  # the newline before it ends a line that a full disk has cut short; without one, readers skip the empty line
  printf '\n{"at_ns": %s, "act": "%s", "go": %s, %s}\n' "$(date +%s%N)" "$1" "$lowtide_again" "$2" \
    >> "$lowtide_dir/goes.jsonl"
}
lowtide_call() { # the script's own environment may have another Python's settings in it
  env -u PYTHONPATH -u PYTHONHOME @PYTHON@ -m lowtide agent --slurm --ledger @LEDGER@ --job "$lowtide_label" "$@"
}
lowtide_look() { # asks the job to save when it is time to; how long to wait is what it prints
  trap '[ -z "$lowtide_nap" ] || kill "$lowtide_nap" 2>/dev/null; exit 0' TERM
  while lowtide_s=$(lowtide_call --look) && [ -n "$lowtide_s" ]; do
    sleep "$lowtide_s" & lowtide_nap=$!
    wait "$lowtide_nap"
  done
}
lowtide_pass() { # signals for the script alone come to this shell (sbatch --signal=B:USR1@60)
  lowtide_passed=1
  [ -z "$lowtide_child" ] || kill -s "$1" "$lowtide_child" 2>/dev/null
}
for lowtide_signal in HUP INT TERM USR1 USR2; do
  trap "lowtide_pass $lowtide_signal" $lowtide_signal
done
lowtide_note began "\"job\": $SLURM_JOB_ID, \"node\": \"${SLURMD_NODENAME:-$(hostname)}\""
@RUN@ "$lowtide_script" "$@" &
lowtide_child=$!
lowtide_look &
lowtide_looker=$!
while :; do
  wait "$lowtide_child"
  lowtide_status=$?
  kill -0 "$lowtide_child" 2>/dev/null && continue
  if [ -n "$lowtide_passed" ]; then # a signal may have ended the waiting, and not the job
    wait "$lowtide_child" 2>/dev/null
    lowtide_kept=$?
    [ "$lowtide_kept" -eq 127 ] || lowtide_status=$lowtide_kept
  fi
  break
done
trap '' HUP INT TERM USR1 USR2 # back in the queue Slurm ends this shell, and what it started must be done first
kill "$lowtide_looker" 2>/dev/null
rm -f "$lowtide_script"
lowtide_asked=
[ ! -e "$@PAUSE@" ] || lowtide_asked=1
lowtide_watched=0
[ ! -e "$@PAUSE@@WATCHED@" ] || lowtide_watched=1
rm -f "$@PAUSE@"
lowtide_note left "\"status\": $lowtide_status, \"asked\": ${lowtide_asked:-0}, \"watched\": $lowtide_watched"
[ "$lowtide_status" -eq 0 ] && [ -z "$lowtide_asked" ] && exit 0
[ "$lowtide_status" -ne @AGAIN@ ] && [ -z "$lowtide_asked" ] && [ "$lowtide_again" -eq 0 ] && exit "$lowtide_status"
lowtide_call --leave "$lowtide_status"
lowtide_said=$?
[ "$lowtide_said" -eq 0 ] || [ "$lowtide_said" -eq @GONE@ ] && exit "$lowtide_status"
[ "$lowtide_status" -eq @AGAIN@ ] || exit "$lowtide_status"
echo "lowtide: no plan could be made; the job goes back into the queue as it is" >&2
lowtide_tries=0
until scontrol requeue "$SLURM_JOB_ID"; do
  lowtide_tries=$((lowtide_tries + 1))
  [ "$lowtide_tries" -lt 60 ] || exit "$lowtide_status"
  sleep 10
done
exit "$lowtide_status"
"""


def wrapped(script: str, *, path: str, folder: str, ledger: str, python: str) -> str:
    """Return the script that runs a job script and lets it be paused.

    Its ``#SBATCH`` lines are kept, so that sbatch reads them as before; the script itself runs unchanged, by its own
    interpreter, with its own arguments.

    Parameters
    ----------
    script : str
        The text of the job script.
    path : str
        Where it was, for whoever reads the result.
    folder : str
        The ledger's submissions; the job's pause file is in a folder of its number there.
    ledger, python : str
        What lowtide is called with on the node.

    Examples
    --------
    >>> text = wrapped("#!/bin/bash\\n#SBATCH -t 5\\ntrue\\n", path="a.sh", folder="/s", ledger="/l", python="/p")
    >>> text.splitlines()[:2], "/bin/bash \\"$lowtide_script\\"" in text
    (['#!/bin/sh', '#SBATCH -t 5'], True)
    """
    lines = script.splitlines()
    head = []
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            break
        head += [line] if line.startswith("#SBATCH") else []
    words = {
        "END": _end(script), "SCRIPT": script.removesuffix("\n"), "FOLDER": shlex.quote(folder),
        "LEDGER": shlex.quote(ledger), "PYTHON": shlex.quote(python), "PAUSE": PAUSE_FILE,
        "PROGRESS": PROGRESS_FILE, "RESUME": RESUME, "WATCHED": WATCHED, "RUN": _interpreter(lines),
        "AGAIN": str(EX_TEMPFAIL), "GONE": str(GONE),
    }  # fmt: skip
    before, after = _BODY.split("@SCRIPT@")  # what the script holds is not ours to replace in
    for key, value in words.items():
        before, after = before.replace(f"@{key}@", value), after.replace(f"@{key}@", value)
    note = f"# made by `lowtide submit --pause checkpoint` of {' '.join(path.split())}, which is in here as it was"
    return "\n".join(["#!/bin/sh", *head, note, before.lstrip("\n") + words["SCRIPT"] + after])


def _interpreter(lines: list[str]) -> str:
    """Return what runs the script: the kernel gives all that follows the interpreter as one word."""
    first = lines[0] if lines else ""
    if not first.startswith("#!"):
        return "/bin/sh"
    parts = first[2:].strip().split(None, 1)
    return " ".join(shlex.quote(part.strip()) for part in parts) or "/bin/sh"


def _end(script: str) -> str:
    """Return a line that the script does not have."""
    end = _END
    while end in script.splitlines():
        end += "_"
    return end
