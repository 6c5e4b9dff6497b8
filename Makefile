# The whole set-up on a bare machine: python3 >= 3.11 with venv, a C++20 compiler and make are enough.
# Everything is installed into .venv; stamps in .venv/.stamps make a second call do no work twice.
PYTHON ?= python3
PYTEST_ARGS ?=
BENCH ?=
TABLE_ARGS ?=

BIN := .venv/bin
STAMPS := .venv/.stamps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What the wheel is made of. A change of a build option rebuilds too: it is written into source-list.
SOURCES := CMakeLists.txt pyproject.toml \
  $(sort $(shell find csrc pysolve -type f ! -name '*.pyc' ! -name '*.so' 2>/dev/null))
OPTIONS := PYSOLVE_CUDA=$(PYSOLVE_CUDA) PYSOLVE_OPENMP=$(PYSOLVE_OPENMP) CXX=$(CXX) CXXFLAGS=$(CXXFLAGS)
CXX_FILES := $(wildcard csrc/*.hpp csrc/*.cpp csrc/*.cu csrc/*.cuh tools/*.cpp)

.DEFAULT_GOAL := help
.PHONY: help install demo test doctest bench bench-multilevel bench-relaxation bench-sequences bench-completion bench-kron bench-gp-pde bench-full asv bench-check docs lint format tidy cuda-check cuda-compiled gpu gpu-build gpu-test gpu-sanitized gpu-bench simulated memcheck asan tsan clean FORCE
.DELETE_ON_ERROR:

help:
	@echo 'make demo        build, and show what pysolve does on a small problem'
	@echo 'make test        the tests and every documented example   (PYTEST_ARGS="-k stencil")'
	@echo 'make bench       the comparison table: pysolve beside its peers, and each kernel beside the machine'
	@echo 'make bench-multilevel   the same of the learned V-cycle     (TABLE_ARGS="--rows cycle")'
	@echo 'make bench-relaxation   the same of SOR and SSOR-CG         (TABLE_ARGS="--rows csr")'
	@echo 'make bench-sequences    omega learned over sequences of systems (TABLE_ARGS="--rows low"); bench-full: hours'
	@echo 'make bench-completion   matrix completion beside cmfrec     (TABLE_ARGS="--ratings u.data")'
	@echo 'make bench-kron  Kronecker products beside NumPy, pykronecker and linear_operator (TABLE_ARGS="--rows cubes")'
	@echo 'make bench-gp-pde        PDE solves with Gaussian processes     (TABLE_ARGS="--rows lines noise")'
	@echo 'make asv         the asv benchmarks, kept for tracking     (BENCH=bench_stencil)'
	@echo 'make docs        the documentation, in docs/_build/html'
	@echo 'make lint        style and types; make format mends the style; make tidy runs clang-tidy'
	@echo 'make cuda-check  compile the CUDA backend, and see that it imports (needs nvcc, no GPU)'
	@echo 'make simulated   the CUDA backend with launches on the host, for tests; make memcheck: the same, addresses checked'
	@echo 'make gpu         on a machine with a GPU, no network needed: build, tests, compute-sanitizer, every figure'
	@echo 'make asan, tsan  the kernel and contract tests under the address or the thread sanitizer'
	@echo 'make clean       remove all that these made'

# ---- the private environment ------------------------------------------------------------------------------
$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { echo 'pysolve needs Python: no $(PYTHON) on the PATH.' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "pysolve needs Python 3.11 or newer;\
	 $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo '$(PYTHON) has no venv module (Debian and Ubuntu:\
	 apt install python3-venv). Install it, or name another: make PYTHON=...' >&2; exit 1; }
	@command -v $(CXX) >/dev/null || { echo 'pysolve needs a C++20 compiler: no $(CXX) on the PATH.' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@mkdir -p $(STAMPS) && touch $@

# Rewritten only when a source came or went or an option changed, so that its age tells.
$(STAMPS)/source-list: FORCE | $(STAMPS)/venv
	@printf '%s\n' '$(OPTIONS)' $(SOURCES) | cmp -s - $@ || printf '%s\n' '$(OPTIONS)' $(SOURCES) > $@

$(STAMPS)/core: $(STAMPS)/venv $(STAMPS)/source-list $(SOURCES)
	@echo 'Building pysolve (about a minute the first time, seconds after that) ...'
	$(PIP) .
	@touch $@

# pysolve itself is already installed and satisfies the name: only what the extra asks for is added.
$(STAMPS)/extra-%: pyproject.toml $(STAMPS)/venv | $(STAMPS)/core
	$(PIP) 'pysolve[$*]'
	@touch $@

# ---- what a user or developer calls -------------------------------------------------------------------------
install: $(STAMPS)/core

demo: $(STAMPS)/core $(STAMPS)/extra-plot
	$(BIN)/pysolve demo

# Every example in a docstring and in README; pysolve.training has none, and some of it needs torch to be imported.
DOCTESTS := --doctest-modules --doctest-glob=README.md --ignore-glob='*/pysolve/training/*' --pyargs pysolve README.md

# The script, not `python -m pytest`, which would import the source folder, where no _core is.
test: $(STAMPS)/core $(STAMPS)/extra-test simulated
	$(BIN)/pytest $(PYTEST_ARGS)
	$(BIN)/pytest --quiet $(DOCTESTS)

doctest: $(STAMPS)/core $(STAMPS)/extra-test
	$(BIN)/pytest $(DOCTESTS)

# libgomp spins while it waits, which stalls the others whenever a core is shared.
bench bench-multilevel bench-relaxation bench-sequences bench-completion bench-kron bench-gp-pde bench-full asv bench-check: export OMP_WAIT_POLICY ?= passive
bench: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/table.py $(TABLE_ARGS)

bench-multilevel: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/multilevel.py $(TABLE_ARGS)

bench-relaxation: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/relaxation.py $(TABLE_ARGS)

bench-sequences: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/sequences.py $(TABLE_ARGS)

bench-completion: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/completion.py $(TABLE_ARGS)

bench-kron: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/kron.py $(TABLE_ARGS)

bench-gp-pde: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/gp_pde.py $(TABLE_ARGS)

bench-full: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/python benchmarks/sequences.py --full $(TABLE_ARGS)

asv: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/asv machine --yes
	$(BIN)/asv run --python=same --show-stderr $(if $(BENCH),--bench '$(BENCH)') \
	  $(shell git rev-parse --verify --quiet HEAD >/dev/null 2>&1 && echo --set-commit-hash $$(git rev-parse HEAD))

bench-check: $(STAMPS)/core $(STAMPS)/extra-bench
	$(BIN)/asv machine --yes
	$(BIN)/asv check --python=same
	$(BIN)/asv run --python=same --quick --show-stderr $(if $(BENCH),--bench '$(BENCH)')
	$(BIN)/python benchmarks/table.py --quick
	$(BIN)/python benchmarks/multilevel.py --quick
	$(BIN)/python benchmarks/relaxation.py --quick
	$(BIN)/python benchmarks/sequences.py --quick
	$(BIN)/python benchmarks/completion.py --quick
	$(BIN)/python benchmarks/kron.py --quick
	$(BIN)/python benchmarks/gp_pde.py --quick
	$(BIN)/python benchmarks/gpu.py --quick

docs: $(STAMPS)/core $(STAMPS)/extra-docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

lint: $(STAMPS)/core $(STAMPS)/extra-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)

format: $(STAMPS)/core $(STAMPS)/extra-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_FILES)

# ---- builds by CMake preset, each in its own folder build/<preset> ------------------------------------------
# build/<preset>/site holds the package with that _core; PYTHONPATH puts it before the installed one.
define preset_build
$(BIN)/cmake --preset $(1)
$(BIN)/cmake --build --preset $(1)
rm -rf build/$(1)/site && mkdir -p build/$(1)/site && cp -R pysolve build/$(1)/site/
$(BIN)/cmake --install build/$(1) --prefix build/$(1)/site >/dev/null
endef
# Of matrix completion those of its kernels, and of whole runs with them: the others are of Python, run processes of their
# own, or scikit-learn, whose threads and modules the sanitizers do not know. Of Kronecker products the kernels and what
# calls them; the solves are SciPy's.
COMPLETION_TESTS := $(patsubst %,tests/test_matrix_completion%.py,_kernels _kernel_arguments _nonneg _bias)
SANITIZED_TESTS = $(wildcard tests/test_contract*.py) tests/test_bad_input.py tests/test_odd_input.py $(COMPLETION_TESTS) \
  tests/test_kron.py tests/test_kron_kernels.py $(filter-out tests/test_matrix_completion% tests/test_kron%,$(wildcard $(patsubst csrc/%_bind.cpp,tests/test_%*.py,$(wildcard csrc/*_bind.cpp))))
# The C++ runtime must be there before the sanitizer looks for what it intercepts in it. pytest must leave
# stderr alone, or a report would vanish with the process that it ends.
# $(2): the tests. Under the thread sanitizer those that count threads, of which it has its own, are left out, the large
# boxes and schedules of relaxation, which would take it many minutes (test_sor_outcomes has small ones), the outcomes
# of the contract, whose systems are too small for a second thread, and the adversarial runs. What other libraries' own
# threads do is listed in tools/tsan.supp.
sanitized_pytest = LD_PRELOAD="$$($(CXX) -print-file-name=lib$(1).so) $$($(CXX) -print-file-name=libstdc++.so.6)" \
  PYTHONPATH=build/$(1)/site $(BIN)/pytest -q --capture=sys -p no:cacheprovider $(2) $(PYTEST_ARGS)

asan: export ASAN_OPTIONS := detect_leaks=0
asan: export UBSAN_OPTIONS := halt_on_error=1:print_stacktrace=1
asan: $(STAMPS)/core $(STAMPS)/extra-test $(STAMPS)/extra-dev
	$(call preset_build,asan)
	$(call sanitized_pytest,asan,$(SANITIZED_TESTS))

tsan: export TSAN_OPTIONS := halt_on_error=1:suppressions=$(CURDIR)/tools/tsan.supp
tsan: export OPENBLAS_NUM_THREADS := 1
tsan: export LD_LIBRARY_PATH := $(CURDIR)/build/tsan
tsan: $(STAMPS)/core $(STAMPS)/extra-test $(STAMPS)/extra-dev
	@mkdir -p build/tsan
	$(CXX) -std=c++20 -O1 -g -fsanitize=thread -fPIC -shared -pthread tools/tsan_gomp.cpp -o build/tsan/libgomp_tsan.so
	$(call preset_build,tsan)
	$(call sanitized_pytest,tsan,$(filter-out %_resources.py %_theory.py %_adversarial.py %_threads.py %sor_kernels.py %stencil_kernels.py %contract_outcomes.py %contract_failures.py %test_kron.py,$(SANITIZED_TESTS)))

tidy: $(STAMPS)/core $(STAMPS)/extra-dev $(STAMPS)/extra-tidy
	$(BIN)/cmake --preset tidy
	$(BIN)/clang-tidy --quiet --warnings-as-errors='*' -p build/tidy $(filter-out csrc/module.cpp %_bind.cpp,$(wildcard csrc/*.cpp))

# The installed package with that _cuda beside its _core: it imports, has the names of _core, and says that no
# device is there where none is.
cuda-check: $(STAMPS)/core $(STAMPS)/extra-test $(STAMPS)/extra-dev
	@if command -v nvcc >/dev/null; then $(MAKE) --no-print-directory cuda-compiled; \
	  else echo 'cuda-check: nvcc is absent; the CUDA backend was NOT compiled.'; fi

# The CUDA backend whose launches run on the host: tests of what the solvers do with device arrays load it.
simulated: $(STAMPS)/core $(STAMPS)/extra-dev
	@echo 'Building the simulated CUDA backend (about a minute the first time) ...'
	@$(BIN)/cmake --preset simulated >/dev/null
	@$(BIN)/cmake --build --preset simulated

# Every test of solvers on the device, with what the kernels read and write watched by the address sanitizer, and threads
# and blocks in the opposite order: an answer that depends on it is a race.
memcheck: export ASAN_OPTIONS := detect_leaks=0
memcheck: export PYSOLVE_SIMULATED := memcheck
memcheck: export PYSOLVE_SIMULATED_BACKWARD := 1
memcheck: $(STAMPS)/core $(STAMPS)/extra-test $(STAMPS)/extra-dev
	$(BIN)/cmake --preset memcheck >/dev/null
	$(BIN)/cmake --build --preset memcheck
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so.6)" \
	  $(BIN)/pytest -q --capture=sys -p no:cacheprovider -k simulated $(wildcard tests/test_cuda_*.py) $(PYTEST_ARGS)

cuda-compiled:
	$(BIN)/cmake --preset cuda
	$(BIN)/cmake --build --preset cuda
	rm -rf build/cuda/site && mkdir -p build/cuda/site
	cp -R "$$($(BIN)/python -P -c 'import pysolve; print(pysolve.__path__[0])')" build/cuda/_cuda*.so build/cuda/site/
	mv build/cuda/site/_cuda*.so build/cuda/site/pysolve/
	PYTHONPATH=build/cuda/site $(BIN)/pytest -q -p no:cacheprovider tests/test_cuda.py

# ---- a machine with a GPU, nvcc, a Python that has what the build and the tests need, and perhaps no network ------
# Nothing is fetched, and no .venv is made: the package goes to build/gpu/site. One part that fails does not keep the
# others from running. CuPy may be missing: tests and benchmarks say so.
GPU_PYTHON ?= python3
GPU_ARCHITECTURES ?= native
GPU_TESTS ?= tests
GPU_SANITIZED ?= $(wildcard tests/test_cuda*.py)
gpu_python = PYTHONPATH=build/gpu/site OMP_WAIT_POLICY=passive $(GPU_PYTHON) -P
# A warning of CuPy itself, of where it found CUDA, is not ours to mend.
gpu_pytest = -m pytest -q -m gpu -p no:cacheprovider -W default::UserWarning

gpu:
	$(MAKE) --no-print-directory gpu-build
	$(MAKE) --no-print-directory -k gpu-test gpu-bench gpu-sanitized

gpu-build:
	@command -v nvcc >/dev/null || { echo 'make gpu needs nvcc on the PATH.' >&2; exit 1; }
	PYSOLVE_CUDA=ON SKBUILD_CMAKE_DEFINE='CMAKE_CUDA_ARCHITECTURES=$(GPU_ARCHITECTURES)' \
	  CMAKE_BUILD_PARALLEL_LEVEL=$${CMAKE_BUILD_PARALLEL_LEVEL:-$$(nproc)} $(GPU_PYTHON) -m pip install --quiet --no-index \
	  --no-build-isolation --no-deps --upgrade --target build/gpu/site -C build-dir=build/gpu/objects .
	$(gpu_python) -c 'import pysolve; print(pysolve.show_config())'

gpu-test:
	$(gpu_python) $(gpu_pytest) $(GPU_TESTS) $(PYTEST_ARGS)

# Memory of CuPy's pool is one block to the sanitizer: PYSOLVE_CUPY_POOL=off has each array allocated by itself.
gpu-sanitized: export PYSOLVE_CUPY_POOL := off
gpu-sanitized:
	@if ! command -v compute-sanitizer >/dev/null; then echo 'gpu: no compute-sanitizer on the PATH; NOT run.'; else \
	  for tool in memcheck racecheck; do PYTHONPATH=build/gpu/site compute-sanitizer --tool $$tool --target-processes all --error-exitcode 9 \
	    $(GPU_PYTHON) -P $(gpu_pytest) $(GPU_SANITIZED) $(PYTEST_ARGS) || exit 1; done; fi

gpu-bench:
	$(gpu_python) benchmarks/gpu.py --output $(TABLE_ARGS)

clean:
	rm -rf .venv build dist docs/_build docs/gallery .asv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
