"""What the command line refuses: exit code 2, one plain sentence on stderr, nothing solved or written."""

import gzip
import os

import numpy as np
import pytest

from pysolve._cli import main

HELD = "%%MatrixMarket matrix coordinate real general\n3 3 3\n1 1 2.0\n2 2 2.0\n3 3 2.0\n"
ONE = "%%MatrixMarket matrix coordinate real general\n{} 1\n1 1 {}\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def call(*argv):
        code = main(list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    monkeypatch.chdir(tmp_path)
    return call


FILES = {
    "A.mtx": HELD.encode(),
    "garbage.mtx": b"\x00\x01 garbage",
    "empty.mtx": b"",
    "truncated.mtx": HELD[:-8].encode(),
    "number.mtx": HELD.rstrip().encode() + b"e-",
    "zeros.mtx": HELD.rstrip().encode() + b"\0\0\n",
    "word.mtx": HELD.replace("2.0", "two").encode(),
    "outside.mtx": HELD.replace("3 3 2.0", "4 4 2.0").encode(),
    "truncated.mtx.gz": gzip.compress(HELD.encode())[:-9],
    "garbage.mtx.gz": b"hello",
    "garbage.npz": b"garbage",
    "broken.npz": b"PK\x03\x04 broken",
    "wide.mtx": HELD.replace("3 3 3", "3 4 3").encode(),
    "none.mtx": HELD[:46].encode() + b"0 0 0\n",
    "huge.mtx": ONE.format("99999999999 99999999999", 1.0).encode(),
    "nan.mtx": ONE.format("1 1", "nan").encode(),
    "complex.mtx": ONE.format("1 1", "2.0 1.0").replace("real", "complex").encode(),
    "A.txt": HELD.encode(),
    "b.dat": b"1 2 3",
}
ARRAYS = {
    "short.npy": np.ones(2),
    "nan.npy": np.array([1, np.nan, 1]),
    "complex.npy": np.ones(3, complex),
    "words.npy": np.array(["a", "b", "c"]),
    "scalar.npy": np.float64(3),
    "block.npy": np.ones((3, 2)),
    "pickle.npy": np.array([{}, 1, 2], dtype=object),
}


@pytest.fixture
def files(run, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    for name, array in ARRAYS.items():
        np.save(name, array)
    index = np.arange(3)
    parts = {"data": np.ones(3), "indices": index, "indptr": np.arange(4), "shape": (3, 3)}
    for name, change in {"far": {"indices": index + 999}, "back": {"indptr": np.array([0, 3, 1, 3])}}.items():
        np.savez(f"{name}.npz", **(parts | change))
    np.savez("evil.npz", A=np.array([{}], dtype=object))
    np.savez("odd.npz", first=index, second=index)
    os.mkdir("folder")


BAD_SYSTEMS = {
    "missing.mtx": "no such file",
    "folder": "folder",
    "garbage.mtx": "cannot read",
    "empty.mtx": "cannot read",
    "truncated.mtx": "cannot read",
    "number.mtx": "middle of a number",
    "zeros.mtx": "not text",
    "word.mtx": "cannot read",
    "outside.mtx": "out of bounds",
    "truncated.mtx.gz": "cannot read",
    "garbage.mtx.gz": "cannot read",
    "garbage.npz": "damaged",
    "broken.npz": "damaged",
    "wide.mtx": "square, its shape is 3 x 4",
    "none.mtx": "empty",
    "huge.mtx": "singular",
    "nan.mtx": "not finite",
    "complex.mtx": "complex",
    "A.txt": "unknown kind",
    "far.npz": "cannot read",
    "back.npz": "cannot read",
    "evil.npz": "cannot read",
    "odd.npz": "first, second",
    "short.npy": "unknown kind",
    "nosuch:8x8": "no gallery problem 'nosuch'",
    "poisson:8x": "64x64",
    "poisson:8x8x8x8": "64x64",
    "poisson:0x3": "64x64",
}
BAD_ARGUMENTS = {
    "--rhs missing.npy": "no such file",
    "--rhs folder": "folder",
    "--rhs nan.npy": "not finite",
    "--rhs short.npy": "shape 2, the matrix has 3 rows",
    "--rhs complex.npy": "complex",
    "--rhs words.npy": "must hold numbers",
    "--rhs scalar.npy": "single number",
    "--rhs b.dat": "unknown kind",
    "--rhs pickle.npy": "cannot read",
    "--rhs garbage.npz": "damaged",
    "--rhs odd.npz": "first, second",
    "--rhs garbage.mtx": "cannot read",
    "--rhs block.npy --method conjugate_directions": "b",
    "--output x.txt": ".npy, .npz, .mtx",
    "--output missing/x.npy": "cannot write",
    "--output A.mtx": "used twice",
    "--output A.mtx/x.npy": "cannot write",
    "--plot missing/x.png": "cannot write",
    "--plot x.gif": ".png, .pdf, .svg",
    "--output x.npy --plot x.npy": ".png, .pdf, .svg",
    "--rtol -1": "not negative",
    "--rtol nan": "not negative",
    "--rtol abc": "argument --rtol: must be a number that is finite and not negative, got 'abc'",
    "--atol -1": "argument --atol: must be a number that is finite and not negative, got '-1'",
    "--maxiter 0": "argument --maxiter: must be a whole number, at least 1, got '0'",
    "--maxiter 1.5": "argument --maxiter: must be a whole number, at least 1, got '1.5'",
    "--method qr": "invalid choice",
    "--nonsense": "unrecognized",
}


@pytest.mark.parametrize("name", BAD_SYSTEMS)
def test_bad_system_is_2_with_one_sentence(run, files, name):
    for command in ("solve", "compare"):
        code, out, err = run(command, name)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("pysolve: ")
        assert BAD_SYSTEMS[name] in err


@pytest.mark.parametrize("text", BAD_ARGUMENTS)
def test_bad_argument_is_2_and_nothing_is_written(run, files, text):
    before = sorted(os.listdir())
    code, out, err = run("solve", "A.mtx", *text.split())
    assert (code, out) == (2, "")
    assert BAD_ARGUMENTS[text] in err
    assert "Traceback" not in err
    assert sorted(os.listdir()) == before
