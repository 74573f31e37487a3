"""`python -m simulator`: the stand-in service as a process."""

import sys

from simulator.options import parse
from simulator.server import serve

if __name__ == "__main__":
    sys.exit(serve(parse()))
