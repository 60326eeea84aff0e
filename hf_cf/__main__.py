"""``python -m hf_cf``: the command line where its script is not on the path."""

import sys

from hf_cf.cli import main

sys.exit(main())
