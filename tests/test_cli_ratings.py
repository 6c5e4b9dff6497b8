"""Ratings as lines of text and as matrices: every form is read, and a line that is wrong is named."""

import time

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from ratings_cases import matrix, sample, text_of, write

from pysolve import CompletionResult
from pysolve import _cli_ratings as ratings_module
from pysolve._cli import main
from pysolve._cli_ratings import read_ratings


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    def call(*argv):
        code = main([str(a) for a in argv])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


FORMS = {
    "csv": ("r.csv", text_of()),
    "header": ("r.csv", text_of(header="userId,movieId,rating,timestamp\n", tail=",978300760")),
    "tabs": ("u.data", text_of("\t", tail="\t881250949")),
    "colons": ("ratings.dat", text_of("::", tail="::978300760")),
    "semicolons": ("r.txt", text_of(";", header="user;item;rating\n")),
    "blanks": ("r.txt", text_of("   ", header="\n  \n")),
    "windows": ("r.csv", text_of(header="\ufeffuser,item,rating\r\n", end="\r\n")),
    "quotes": ("r.csv", text_of(user='"{}"', item='"{}"')),
    "blank lines": ("r.csv", text_of(end="\n\n")),
    "lines of blanks": ("r.csv", text_of(end="\n  \n")),
    "no ending": ("ratings", text_of().rstrip("\n")),
    "gz": ("r.csv.gz", text_of()),
    "bz2": ("r.csv.bz2", text_of()),
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("chunk", [1 << 23, 50])
def test_every_form_of_text_is_read(here, kind, chunk, monkeypatch):
    monkeypatch.setattr(ratings_module, "CHUNK", chunk)
    write(*FORMS[kind])
    found, (i, j, y, _) = read_ratings(FORMS[kind][0]), sample()
    np.testing.assert_array_equal(found.rows, i)
    np.testing.assert_array_equal(found.cols, j)
    np.testing.assert_array_equal(found.values, y)
    assert found.row_ids.tolist() == list(range(40))
    assert found.col_ids.tolist() == list(range(30))


@pytest.mark.parametrize("chunk", [1 << 23, 50])
@pytest.mark.parametrize("quote", ["", '"'])
def test_names_of_users_and_items_are_kept(here, chunk, quote, monkeypatch):
    monkeypatch.setattr(ratings_module, "CHUNK", chunk)
    item = f"{quote}à la {{:02}}{', x' if quote else ''}{quote}"
    write("r.csv", text_of(header="user,item,rating\n", item=item))
    found, (i, j, *_) = read_ratings("r.csv"), sample()
    assert found.row_ids.tolist() == list(range(40))
    assert found.col_ids.tolist() == [item.format(b).strip(quote or None) for b in range(30)]
    np.testing.assert_array_equal(found.rows, i)
    np.testing.assert_array_equal(found.cols, j)


def test_a_name_among_numbers_makes_all_of_them_names(here, monkeypatch):
    monkeypatch.setattr(ratings_module, "CHUNK", 16)
    write("r.csv", "7,1,3\n007,1,4\n8,2,5\nu9,2,1\n")
    found = read_ratings("r.csv")
    assert found.row_ids.tolist() == ["007", "7", "8", "u9"]
    assert found.rows.tolist() == [1, 0, 2, 3]
    assert found.col_ids.tolist() == [1, 2]


def test_numbers_far_apart_are_numbered_in_their_order(here):
    write("r.csv", "-5,1,3\n900000000000000000,1,4\n12,2,5\n")
    found = read_ratings("r.csv")
    assert found.row_ids.tolist() == [-5, 12, 900000000000000000]
    assert found.rows.tolist() == [0, 2, 1]


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(
        st.tuples(
            st.text(
                st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters='",;:'),
                min_size=1,
            ),
            st.integers(-(10**17), 10**17),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
        max_size=20,
        unique_by=lambda line: line[0],
    ),
    separator=st.sampled_from([",", "\t", ";", "::"]),
)
def test_whatever_is_written_is_read(lines, separator, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("ratings") / "r.csv")
    write(
        path,
        "user,item,rating\n".replace(",", separator)
        + "".join(separator.join((f"x{u}", str(v), repr(y))) + "\n" for u, v, y in lines),
    )
    found = read_ratings(path)
    assert found.values.tolist() == [y for _, _, y in lines]
    assert found.row_ids[found.rows].tolist() == [f"x{u}" for u, _, _ in lines]
    assert found.col_ids[found.cols].tolist() == [v for _, v, _ in lines]


MATRICES = {
    "csr": ("r.npz", lambda p: sp.save_npz(p, matrix().tocsr())),
    "csc": ("r.npz", lambda p: sp.save_npz(p, matrix().tocsc())),
    "coo": ("r.npz", lambda p: sp.save_npz(p, matrix())),
    "mtx": ("r.mtx", lambda p: scipy.io.mmwrite(p, matrix())),
    "dense": ("r.mtx", lambda p: scipy.io.mmwrite(p, sample(share=1.1)[3])),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_every_kind_of_matrix_is_read(run, kind):
    name, make = MATRICES[kind]
    make(name)
    code, out, err = run("complete", name, "--rank", "3", "--output", "m.npz")
    assert (code, err) == (0, "")
    count = 1200 if kind == "dense" else matrix().nnz
    assert f"{name}: 40 x 30, {count} entries" in out
    model = CompletionResult.load("m.npz")
    assert model.row_ids is None
    assert abs(model.to_dense() - sample()[3]).max() < 0.2 or kind != "dense"


GOOD = "1,1,3\n1,2,4\n2,1,5\n2,2,1\n"
WRONG_LINES = {
    "rating": ("3,x\n", None, "has 2 fields, but a user, an item and a rating are wanted"),
    "word": ("3,1,good\n", None, "has the rating 'good', which is no finite number"),
    "NaN": ("3,1,nan\n", None, "has the rating 'nan', which is no finite number"),
    "infinite": ("3,1,1e999\n", None, "has the rating '1e999', which is no finite number"),
    "no user": ("x,1,2\n,1,3\n", 6, "names no user"),
    "no item": ("3,x,2\n3, ,3\n", 6, "names no item"),
    "long": (f"{'u' * 200},1,3\n", None, "names a user by 200 bytes, at most 128 are taken"),
    "zero bytes": ("3,\0,4\n", None, "holds bytes that are not text in UTF-8"),
    "latin-1": (b"3,\xe9,4\n", None, "holds bytes that are not text in UTF-8"),
    "twice": ("\n2,2,4\n", 6, "holds the same user and item as line 4: leave one of them"),
    "twice by name": ("x,2,4\n1, 2,4\n", 6, "holds the same user and item as line 2: leave one of them"),
}


@pytest.mark.parametrize("header", ["", "user,item,rating\n", "\n\n"], ids=["plain", "header", "blank lines"])
@pytest.mark.parametrize("chunk", [1 << 23, 9])
@pytest.mark.parametrize("name", WRONG_LINES)
def test_line_that_is_wrong_is_named(run, here, name, chunk, header, monkeypatch):
    monkeypatch.setattr(ratings_module, "CHUNK", chunk)
    line, number, text = WRONG_LINES[name]
    line = line if isinstance(line, bytes) else line.encode()
    (here / "r.csv").write_bytes((header + GOOD).encode() + line + b"4,1,2\n")
    above = header.count("\n")
    if "line 4" in text or "line 2" in text:
        text = text.replace("line 4", f"line {4 + above}").replace("line 2", f"line {2 + above}")
    expected = f"pysolve: line {(number or 5) + above} of 'r.csv' {text}\n"
    assert run("complete", "r.csv", "--rank", "1") == (2, "", expected)


def test_many_lines_are_read_quickly(here):
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, 50_000, 200_000), np.arange(200_000)
    write("r.csv", "".join(f"{a},{b},3.5,978300760\n" for a, b in zip(i.tolist(), j.tolist(), strict=True)))
    start = time.perf_counter()
    assert read_ratings("r.csv").values.size == 200_000
    assert time.perf_counter() - start < 5
