"""`python -m backtrack_sampler`."""

import sys

from .cli.main import main

sys.exit(main())
