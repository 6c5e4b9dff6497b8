"""Who may call whom, the table of stems and the sizes, checked by reading the files, nothing compiled.

Each check takes the root of a tree and returns one sentence per fault. The real tree must have none, and
every check is shown to fail on a tree with that fault planted in it.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MADE = {"build", "dist", "_build", "gallery", "generated", "__pycache__"}
CPP = {".hpp", ".cpp", ".cu", ".cuh"}
CODE = CPP | {".py"}
TEXT = CODE | {".pyi", ".md", ".rst", ".txt", ".toml", ".json", ".cff", ".cmake", ".yaml", ".supp", ""}
# The other stems are methods: a method may use a primitive, a primitive uses no method.
PRIMITIVES = {"csr", "sell", "stencil", "kron"}
STEM_FILES = [
    *("csrc/{}.hpp", "csrc/{}.cpp", "csrc/{}.cu", "csrc/{}_bind.cpp", "pysolve/_{}.py"),
    *("tests/reference/{}.py", "tests/test_{}.py", "benchmarks/bench_{}.py"),
]
PYTHON_HEADER = r"pybind11/|Python\.h|numpy/|(.*_)?bind\.hpp"
CUDA_HEADER = r"cuda|thrust/|cub/|cooperative_groups|.*\.cuh"


def skipped(folders):
    """Whether a tool made one of these folders; of the hidden ones only .ci was written by hand."""
    return any(name in MADE or (name.startswith(".") and name != ".ci") for name in folders)


def files(root, suffixes, *folders):
    tops = [root / folder for folder in folders] or [root]
    found = (path for top in tops if top.is_dir() for path in sorted(top.rglob("*")))
    return [
        path
        for path in found
        if path.suffix in suffixes and path.is_file() and not skipped(path.relative_to(root).parts[:-1])
    ]


def stems(root):
    text = (root / "CMakeLists.txt").read_text()
    found = re.findall(r"^\s*set\(stems\s+([^)]*)\)", text, re.MULTILINE)
    return [stem for table in found for stem in table.split()]


def imports(path, root, nodes=ast.walk):
    """Full dotted names that a Python file imports, relative ones resolved against its package."""
    package = path.relative_to(root).parts[:-1]
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def importers(root, pattern, *folders):
    """Faults: the files of these folders that import a module whose name matches the pattern."""
    for path in files(root, {".py"}, *folders):
        for name in imports(path, root):
            if re.match(pattern, name):
                yield path.relative_to(root).as_posix(), f"{path.relative_to(root)} imports {name}"


def check_only_backend_imports_the_compiled_modules(root):
    found = importers(root, r"pysolve\.(_core|_cuda)\b")
    return [fault for where, fault in found if where != "pysolve/_backend.py"]


def check_only_training_imports_torch(root):
    # Tests and examples may: they hand torch tensors and modules to pysolve, which sees arrays and callables.
    found = [*importers(root, r"torch\b", "pysolve"), *importers(root, r"pysolve\.training\b", "pysolve")]
    return [fault for where, fault in found if not where.startswith("pysolve/training/")]


def check_lower_layers_import_no_method(root):
    methods = "|".join(re.escape(stem) for stem in stems(root) if stem not in PRIMITIVES) or "(?!)"
    upward = rf"pysolve\._({methods})\b|pysolve\._cli\b|pysolve\.gallery\b"
    lower = {f"pysolve/_{name}.py" for name in PRIMITIVES | {"backend", "result", "stopping", "system"}}
    return [fault for where, fault in importers(root, upward, "pysolve") if where in lower]


def check_examples_use_public_names_only(root):
    return [fault for _, fault in importers(root, r"pysolve\.(\w+\.)*_[a-z]", "examples", "docs")]


def check_pysolve_has_no_import_cycle(root):
    """The modules can be put in an order in which each imports earlier ones only (deferred imports aside)."""
    modules = {path.stem: path for path in files(root, {".py"}, "pysolve") if path.parent.name == "pysolve"}
    uses = {
        name: {part for full in imports(path, root, ast.iter_child_nodes) for part in full.split(".")[:2]}
        & set(modules) - {name}
        for name, path in modules.items()
    }
    while free := [name for name, used in uses.items() if not used & set(uses)]:
        uses = {name: used for name, used in uses.items() if name not in free}
    return [f"pysolve/{name}.py is in a cycle of imports" for name in uses]


def headers(path, root, seen=None):
    """What a C++ file includes: its own lines, and those of every included file of csrc."""
    seen = set() if seen is None else seen
    for name in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE):
        if name not in seen:
            seen.add(name)
            if (root / "csrc" / name).is_file():
                headers(root / "csrc" / name, root, seen)
    return seen


def check_kernels_include_no_python_and_cpu_kernels_no_cuda(root):
    faults = []
    for path in files(root, CPP, "csrc"):
        if path.stem.endswith("_bind") or path.name in {"bind.hpp", "module.cpp"}:
            continue
        banned = PYTHON_HEADER if path.suffix in {".cu", ".cuh"} else f"{PYTHON_HEADER}|{CUDA_HEADER}"
        reached = sorted(name for name in headers(path, root) if re.match(banned, name))
        faults += [f"csrc/{path.name} includes {name}" for name in reached]
    return faults


def check_every_stem_has_its_files(root):
    table = stems(root)
    wanted = [pattern.format(stem) for stem in table for pattern in STEM_FILES]
    faults = [f"no {name}" for name in wanted if not (root / name).is_file()]
    bound = [path.name.removesuffix("_bind.cpp") for path in (root / "csrc").glob("*_bind.cpp")]
    faults += [f"csrc/{stem}_bind.cpp: {stem} is not in CMake's stems" for stem in bound if stem not in table]
    return faults if table else ["CMakeLists.txt has no set(stems ...)"]


def check_files_have_at_most_300_lines(root):
    counted = ((path.relative_to(root), len(path.read_text().splitlines())) for path in files(root, CODE))
    return [f"{name} has {count} lines" for name, count in counted if count > 300]


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0]
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = first.end_lineno - first.lineno + 1 if documented else 0
            yield node.name, node.end_lineno - node.lineno + 1 - docstring


def cpp_functions(text):
    """Bodies that follow a parameter list at namespace or class level, by counting braces."""
    text = re.sub(r'//[^\n]*|"(\\.|[^"\\\n])*"|^\s*#(\\\n|[^\n])*', "", text, flags=re.MULTILINE)
    opened, start, statement = [], 0, 0
    for brace in re.finditer(r"[{};]", text):
        if brace.group() == "{":
            head = text[statement : brace.start()]
            transparent = re.search(r"\b(namespace|struct|class|enum|union|extern)\b[^()]*$", head)
            if not transparent and all(opened):
                start = brace.start()
                name = re.search(r"([\w:~]+)\s*\(", head)
            opened.append(bool(transparent))
        elif brace.group() == "}" and opened and not opened.pop() and all(opened) and name:
            yield name.group(1), text.count("\n", start, brace.end()) + 1
        statement = brace.end()


def check_functions_have_at_most_60_lines(root):
    faults = []
    for path in files(root, CODE):
        functions = (python_functions if path.suffix == ".py" else cpp_functions)(path.read_text())
        faults += [f"{path.relative_to(root)}: {name} has {n} lines" for name, n in functions if n > 60]
    return faults


def check_no_file_is_called_utils(root):
    return [
        f"{path.relative_to(root)}: name it after what it does"
        for path in files(root, CODE)
        if re.search(r"(^|_)utils?($|_)", path.stem)
    ]


def check_builds_run_on_other_machines(root):
    """No instruction set of the machine that builds, and no folder of the one that wrote the file."""
    pattern = re.compile(r"-march=" + r"native|(?<![\w.~/}-])/(work|tmp|root|home)/\w")
    faults = []
    for path in files(root, TEXT):
        found = [match.group() for match in map(pattern.search, path.read_text().splitlines()) if match]
        faults += [f"{path.relative_to(root)} has {text}" for text in found]
    return faults


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]
# Fault planted -> file and text; the check of that name must name the file.
PLANTED = {
    check_only_backend_imports_the_compiled_modules: ("tests/test_a.py", "from pysolve import _core\n"),
    check_only_training_imports_torch: ("pysolve/_result.py", "def f():\n    import torch.nn\n"),
    check_lower_layers_import_no_method: ("pysolve/_stencil.py", "from ._cg_like import solve\n"),
    check_examples_use_public_names_only: ("examples/plot_a.py", "from pysolve._system import check\n"),
    check_pysolve_has_no_import_cycle: ("pysolve/_backend.py", "from . import _stencil\n"),
    check_kernels_include_no_python_and_cpu_kernels_no_cuda: (
        "csrc/view.hpp",
        "#include <pybind11/numpy.h>\n",
    ),
    check_every_stem_has_its_files: ("csrc/extra_bind.cpp", "int a;\n"),
    check_files_have_at_most_300_lines: ("csrc/long.hpp", "int a;\n" * 301),
    check_functions_have_at_most_60_lines: (
        "csrc/long.cpp",
        "namespace a {\nint f(int b) {\n" + "++b;\n" * 60 + "}\n}\n",
    ),
    check_no_file_is_called_utils: ("pysolve/_utils.py", "a = 1\n"),
    check_builds_run_on_other_machines: ("CMakePresets.json", '{"dir": "/' + 'home/someone/eigen"}\n'),
}


@pytest.fixture
def tree(tmp_path):
    """A small tree without a fault: a primitive and a method."""
    texts = {
        "CMakeLists.txt": "set(stems stencil cg_like)\n",
        "csrc/view.hpp": "#include <cstdint>\n",
        "pysolve/_backend.py": "from . import _core\n",
    }
    for stem in "stencil", "cg_like":
        texts |= {pattern.format(stem): "" for pattern in STEM_FILES}
        texts[f"csrc/{stem}.hpp"] = (
            '#include "view.hpp"\nnamespace a {\nstruct b { int f() const { return 1; } };\n}\n'
        )
        texts[f"csrc/{stem}_bind.cpp"] = "#include <pybind11/pybind11.h>\n"
        texts[f"pysolve/_{stem}.py"] = (
            'from ._backend import kernels\ndef f():\n    """' + "A\n" * 61 + '"""\n'
        )
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tree_keeps_the_rule(check):
    assert check(ROOT) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_fault_planted_in_a_good_tree_is_found(check, tree):
    assert check(tree) == []
    name, text = PLANTED[check]
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text(text)
    faults = check(tree)
    assert any(Path(name).stem in fault for fault in faults), faults


def test_missing_file_of_a_stem_is_found(tree):
    (tree / "csrc/stencil.cu").unlink()
    assert check_every_stem_has_its_files(tree) == ["no csrc/stencil.cu"]


def test_lines_of_a_function_are_counted_without_its_docstring(tree):
    (tree / "examples").mkdir()
    (tree / "examples/a.py").write_text('def f():\n    """' + "A\n" * 9 + '"""\n' + "    a = 1\n" * 60)
    assert check_functions_have_at_most_60_lines(tree) == ["examples/a.py: f has 61 lines"]
