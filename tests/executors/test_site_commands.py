"""Templates of sites' commands: placeholders, quoting, what is refused, and how failures are told."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import ExecutorError, InputError
from lowtide.executors.site_commands import (
    CommandNotFoundError,
    parse_command,
    run_words,
    site_slurm,
)

VALUES = {"script": "/my jobs/a.sh", "tag": "lowtide-1", "begin": "2026-03-01T02:00:00Z", "name": "train"}


def test_flags_stand_in_their_place_and_arguments_follow_the_script() -> None:
    command = parse_command("sbatch -M west {args} {script}", "submit")
    found = command.filled(VALUES, {"args": ["-N2", "--comment=a b"], "arguments": ["--epochs", "3"]})
    assert found == ["sbatch", "-M", "west", "-N2", "--comment=a b", "/my jobs/a.sh", "--epochs", "3"]


def test_braces_that_are_no_placeholder_stay() -> None:
    command = parse_command("kubectl create -o 'go-template={{.metadata.name}}' -f {script}", "submit")
    assert command.filled(VALUES)[2:4] == ["-o", "go-template={{.metadata.name}}"]
    assert parse_command("put --at={begin} --as={name}-{tag}", "submit").filled(VALUES) == [
        "put", "--at=2026-03-01T02:00:00Z", "--as=train-lowtide-1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "submit is empty; write a command like 'sbatch -M west {args} {script}'"),
        ("sbatch 'a", "cannot be read: No closing quotation"),
        ("sbatch {arg} {script}", "unknown placeholder {arg}; did you mean args, tag?"),
        ("sbatch ${HOME}/x", "unknown placeholder {HOME}; there are {script}, {args}, {arguments}"),
        ("sbatch --wrap={args}", "{args} is several words and must stand alone"),
    ],
)
def test_template_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_command(text, "submit")
    assert message in str(caught.value)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",))))
def test_what_is_filled_in_for_ssh_is_one_word_for_the_shell_there(text: str) -> None:
    command = parse_command("ssh west sbatch {args} --name={name} {script}", "submit")
    found = command.filled({**VALUES, "name": text}, {"args": [text], "arguments": [text]})
    # ssh joins its words with blanks, and a shell splits them again
    there = shlex.split(" ".join(found[2:]))
    assert there == ["sbatch", text, f"--name={text}", "/my jobs/a.sh", text]


def test_words_are_never_read_by_a_shell_here(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    for keep in ((), (1,)):
        done = run_words(
            [sys.executable, "-c", code, f"$(touch {out})", "; x", "a b"], what="x", keep_fds=keep
        )
        assert done.stdout.strip() == f'["$(touch {out})", "; x", "a b"]'
    assert not out.exists()


def test_failure_tells_command_status_and_what_it_wrote() -> None:
    with pytest.raises(ExecutorError) as caught:
        run_words(["sh", "-c", "echo no such partition >&2; exit 3"], what="site west")
    assert str(caught.value).startswith("site west: exit status 3 (command: sh -c ")
    assert str(caught.value).endswith("; it wrote: no such partition")


@pytest.mark.parametrize("keep", [(), (1,)])
def test_command_that_is_not_there_is_told_apart(keep: tuple[int, ...]) -> None:
    with pytest.raises(CommandNotFoundError, match="site west: no-such-sbatch is not found on this machine"):
        run_words(["no-such-sbatch", "x"], what="site west", keep_fds=keep)


def test_no_answer_in_time_is_an_error() -> None:
    with pytest.raises(ExecutorError, match=r"site west: no answer within 0\.05 s"):
        run_words(["sleep", "5"], what="site west", timeout_s=0.05)


def test_other_commands_of_slurm_are_said_the_same_way(tmp_path: Path) -> None:
    tool = tmp_path / "squeue"
    tool.write_text('#!/bin/sh\necho "$@" > ' + str(tmp_path / "said") + "\n")
    tool.chmod(0o755)
    slurm = site_slurm(
        "west", parse_command(f"env A=1 {tmp_path}/sbatch -M west {{args}} {{script}}", "submit")
    )
    assert slurm is not None
    assert slurm.jobs(ended_too=True) == []
    said = (tmp_path / "said").read_text()
    assert said.startswith("-M west --noheader --me --states=all --format=")


def test_what_does_not_call_sbatch_with_its_flags_is_no_slurm() -> None:
    for text in ("kubectl create -f {script}", "sbatch {script}"):
        assert site_slurm("west", parse_command(text, "submit")) is None
