"""Build and launch the app; a Hugging Face Space starts here."""

import os

# Threads that wait by spinning make a shared machine many times slower; this must be said before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from sn_viz.ui.launch import launch  # noqa: E402
from sn_viz.ui.page import build  # noqa: E402

if __name__ == "__main__":
    launch(build(model=os.environ.get("SN_VIZ_MODEL")), port=int(os.environ.get("SN_VIZ_PORT", "0")) or None)
