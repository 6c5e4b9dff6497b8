"""Another number of threads needs another process: OpenMP and BLAS read it when they are loaded."""

import argparse
import os
import subprocess
import sys

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def rerun(arguments: argparse.Namespace) -> int | None:
    """Run this command with `arguments.threads` threads; None where this process has that many."""
    if arguments.threads is None or os.environ.get("OMP_NUM_THREADS") == str(arguments.threads):
        return None
    environment = os.environ | dict.fromkeys(VARIABLES, str(arguments.threads))
    # -P: a folder called pysolve in the current folder is not the installed package.
    process = subprocess.Popen([sys.executable, "-P", "-m", "pysolve", *arguments.argv], env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:  # the terminal interrupts both; the inner one says so
        try:
            return process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
