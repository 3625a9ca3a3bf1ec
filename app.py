"""Build and launch the app; a Hugging Face Space starts here."""

import os

from sn_viz.ui.launch import launch
from sn_viz.ui.page import build

if __name__ == "__main__":
    launch(build(model=os.environ.get("SN_VIZ_MODEL")), port=int(os.environ.get("SN_VIZ_PORT", "0")) or None)
