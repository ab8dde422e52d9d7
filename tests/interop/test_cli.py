"""The command line beside other programs."""

import os
import subprocess

from conftest import binary


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
