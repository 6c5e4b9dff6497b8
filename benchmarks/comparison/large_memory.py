"""The peak memory of this process."""

import re
import sys


def peak_bytes() -> int:
    """Most memory that was resident. Linux hands a parent's ru_maxrss on to its child, but not VmHWM."""
    try:
        with open("/proc/self/status") as file:
            return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", file.read()).group(1))
    except (OSError, AttributeError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
