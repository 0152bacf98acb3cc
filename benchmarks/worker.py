"""One contender in a process of its own: ``worker.py CONTENDER NETWORK HEIGHT WIDTH STORE OUTPUT``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from contenders import CONTENDERS
from serving import serve


def main() -> None:
    contender, network, height, width, store, target = sys.argv[1:]
    warnings.simplefilter("ignore")  # Paddle's and ppgan's, about themselves
    load = CONTENDERS[contender]
    serve(lambda: load(network, int(height), int(width), Path(store)), Path(target))


if __name__ == "__main__":
    main()
