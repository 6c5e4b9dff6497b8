"""``python -m pysolve.training <what> ...``: one sub-command for each thing that can be trained."""

import argparse
from collections.abc import Sequence
from importlib import import_module

# Sub-command -> module with add_arguments(parser) and run(args), which calls args.refuse(message) where options do not
# fit what is on disk. Importing the module must not need torch.
COMMANDS = {
    "multilevel": "pysolve.training.multilevel",
    "direction_net": "pysolve.training.direction_net",
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m pysolve.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    for name, path in COMMANDS.items():
        module = import_module(path)
        about = (module.__doc__ or name).partition("\n")[0]
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run, refuse=command.error)
    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    main()
