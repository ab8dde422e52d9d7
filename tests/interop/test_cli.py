"""The command line beside other programs."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import binary, served


def test_who_reads_no_more_ends_a_command_quietly():
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([binary(), "config", "--docs"], stdout=writes, stderr=subprocess.PIPE, text=True)
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_told():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary(), "config", "--docs"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith("palomar: standard output: No space left")


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_huge_pages_are_a_matter_of_choice(wanted):
    for server in served(f"huge_pages = {wanted}\n"):
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        (told,) = [line for line in status.splitlines() if line.startswith("THP_enabled:")]
        assert told.split()[1] == {"true": "1", "false": "0"}[wanted]
