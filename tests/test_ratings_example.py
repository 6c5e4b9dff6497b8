"""examples/ratings.py: every form of file is read, and what it prints is better than the mean."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from ratings_cases import sample, text_of, write

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "ratings.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("ratings_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["ratings_example"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.csv", text_of(header="userId,movieId,rating,timestamp\n", tail=",978300760")),
        ("ratings.dat", text_of("::", tail="::978300760")),
        ("u.data", text_of("\t", tail="\t881250949")),
        ("r.csv.gz", text_of(";")),
    ],
    ids=["csv", "colons", "tabs", "gz"],
)
def test_ratings_are_read(example, tmp_path, name, text):
    write(str(tmp_path / name), text)
    users, items, ratings = example.read(str(tmp_path / name))
    i, j, y, _ = sample()
    np.testing.assert_array_equal(users.astype(int), i)
    np.testing.assert_array_equal(items.astype(int), j)
    np.testing.assert_array_equal(ratings, y)


def test_errors_and_the_best_items_of_a_user_are_printed(example, tmp_path, capsys):
    write(str(tmp_path / "r.csv"), text_of(header="user,item,rating\n", user="anna{}"))
    arguments = ["--ranks", "1", "2", "99", "--reg", "0.01", "--user", "anna7", "--top", "4"]
    example.main([str(tmp_path / "r.csv"), *arguments])
    said = capsys.readouterr().out
    errors = {name: float(error) for name, error in re.findall(r"  (the mean|rank \d+) +([\d.]+)", said)}
    assert list(errors) == ["the mean", "rank 1", "rank 2"]
    assert errors["rank 2"] < 0.5 * errors["the mean"]
    shown = re.search(r"for user anna7 \(rank 2\)\n((?:  \d+ +[-\d.]+\n){4})", said)[1]
    M = sample()[3]
    for line in shown.splitlines():
        item, value = line.split()
        assert float(value) == pytest.approx(M[7, int(item)], abs=1.5)


def test_what_cannot_be_used_is_said(example, tmp_path):
    write(str(tmp_path / "r.csv"), "1,2\n")
    with pytest.raises(SystemExit, match="must have a user, an item and a rating"):
        example.main([str(tmp_path / "r.csv")])
    write(str(tmp_path / "r.csv"), text_of())
    with pytest.raises(SystemExit, match="no user 'nobody'"):
        example.main([str(tmp_path / "r.csv"), "--ranks", "1", "--user", "nobody"])
