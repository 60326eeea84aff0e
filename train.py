"""Train a recommender: ``python train.py --data ml-100k --out models/movies``; ``--help`` for more.

The same as ``hf-cf train``.
"""

import sys

from hf_cf.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
