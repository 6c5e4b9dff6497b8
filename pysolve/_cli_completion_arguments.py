"""The arguments of `pysolve complete` and `pysolve predict`."""

import argparse
from typing import Any

from pysolve._cli_numbers import rank, seed, share, tolerance, whole_number

RATINGS_HELP = """lines of user, item, rating (and anything after them), separated by commas, tabs, semicolons, :: or
blanks, with or without a header, perhaps .gz or .bz2; or a sparse matrix (.npz of scipy.sparse, .mtx), whose stored
entries are known"""


def add_complete(commands: Any) -> None:
    text = "Complete a matrix of low rank from the entries in a file, such as ratings of items by users."
    complete = commands.add_parser("complete", help="predict missing ratings", description=text)
    complete.set_defaults(run=_run_complete)
    complete.add_argument("ratings", metavar="RATINGS", help=RATINGS_HELP)
    complete.add_argument(
        "--rank", type=rank, required=True, metavar="K", help="columns of the factors, or auto"
    )
    complete.add_argument(
        "--reg", type=tolerance, default=0.0, help="weight of the factors' squares (default: 0)"
    )
    complete.add_argument(
        "--validation",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="entries kept out of the fit, on which it ends at the least error; 0: none (default: 0.1)",
    )
    complete.add_argument(
        "--bias", action="store_true", help="a mean, and a number for each row and column too"
    )
    complete.add_argument("--nonneg", action="store_true", help="factors without negative numbers")
    complete.add_argument("--loss", choices=("l2", "huber", "l1"), default="l2", help="default: l2")
    complete.add_argument("--rtol", type=tolerance, default=1e-6, help="where to end (default: 1e-6)")
    complete.add_argument("--maxiter", type=whole_number, metavar="N", help="most iterations (default: 4000)")
    complete.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of all that is random (default: 0)"
    )
    complete.add_argument(
        "--checkpoint", metavar="FILE", help="go on from this .npz file if it is there; keep it up to date"
    )
    complete.add_argument("--output", metavar="FILE", help="write the model to this .npz file")
    complete.add_argument(
        "--plot", metavar="FILE", help="draw the errors of every iteration (.png, .pdf, .svg)"
    )
    complete.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_predict(commands: Any) -> None:
    text = "Predict ratings from a model that `pysolve complete` wrote: a line for each item, its name and the rating."
    predict = commands.add_parser("predict", help="ratings from a model", description=text)
    predict.set_defaults(run=_run_predict)
    predict.add_argument("model", metavar="MODEL", help="an .npz file that `pysolve complete` wrote")
    predict.add_argument(
        "user", metavar="USER", help="as in the file of ratings; for a matrix the number of its row"
    )
    predict.add_argument(
        "items", metavar="ITEM", nargs="*", help="these items; without any, the best not rated yet"
    )
    predict.add_argument(
        "--top", type=whole_number, default=10, metavar="N", help="how many of the best (default: 10)"
    )


def _run_complete(arguments: argparse.Namespace) -> int:
    from pysolve._cli_complete import complete

    return complete(arguments)


def _run_predict(arguments: argparse.Namespace) -> int:
    from pysolve._cli_complete import predict

    return predict(arguments)
