"""Headers that .cu files share a namespace give each name once.

A kernel is named after its body alone, in every .cu file: of two bodies of one name the linker would keep one.
"""

import collections
import re
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[1] / "csrc"
if not CSRC.is_dir():
    pytest.skip("the C++ sources are not here", allow_module_level=True)
NAMESPACE = re.compile(
    r"^namespace (?:pysolve::)?(?:PYSOLVE_BACKEND|cuda) \{$(.*?)^\}", re.MULTILINE | re.DOTALL
)
# At the start of a line: what is in the namespace itself. Not what is only declared, nor specialised.
TYPE = re.compile(r"^(?:struct|class) (\w+)(?: final)?(?: :[^;{]*)? \{", re.MULTILINE)
VALUE = re.compile(r"^(?:inline |static )*constexpr [\w:<>* ]+? (\w+) =", re.MULTILINE)
# Two overloads of one name may stand in two files; two functions of one number are one function.
NUMBER = re.compile(r"^PYSOLVE_(?:BODY|AT_PLACE) \w+ (\w+)\(double \w+\) \{", re.MULTILINE)


def duplicates(texts):
    """Names that two of the files define in the namespace of the device: name -> files."""
    found = collections.defaultdict(set)
    for file, text in texts.items():
        for part in NAMESPACE.findall(text):
            for pattern in (TYPE, VALUE, NUMBER):
                for name in pattern.findall(part):
                    found[name].add(file)
    return {name: files for name, files in found.items() if len(files) > 1}


def test_names_of_the_device_are_given_once():
    files = [path for suffix in ("hpp", "cuh") for path in CSRC.glob(f"*.{suffix}")]
    assert duplicates({path.name: path.read_text() for path in files}) == {}


def test_a_planted_duplicate_is_found():
    one = "namespace pysolve::PYSOLVE_BACKEND {\nstruct copy_body {\n};\n}  // namespace pysolve\n"
    other = "namespace pysolve::cuda {\n\nclass copy_body {\n};\nconstexpr int side = 2;\n}\n"
    assert duplicates({"a": one, "b": other, "c": one.replace("copy", "move")}) == {"copy_body": {"a", "b"}}
    assert not duplicates({"a": one.replace("PYSOLVE_BACKEND", "cpu"), "b": other})
