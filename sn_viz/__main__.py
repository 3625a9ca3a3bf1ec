"""``python -m sn_viz``: hands over to the command line."""

import sys

from sn_viz.cli import main

sys.exit(main())
