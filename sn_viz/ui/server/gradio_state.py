"""What Gradio keeps of each visitor, without the copy of the whole page that it makes for links this app has no use for.

Gradio writes down the configuration of every component anew for whoever opens the page or calls an endpoint: half of what a cached
view costs, and memory for each visitor. Only its deep links read it, and links here carry the selection themselves.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gradio.state_holder import SessionState, StateHolder


class LightSession(SessionState):
    """What a visitor's ``gr.State`` components hold, and nothing else."""

    def __init__(self, blocks: Any) -> None:
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks=()))  # type: ignore[arg-type]

    def _update_config(self, key: int) -> None:
        """Remember nothing of a component that has changed."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Remember nothing of a value that has been shown."""


class LightSessions(StateHolder):
    """The sessions of all visitors.

    Parameters
    ----------
    blocks : gradio.Blocks
        The page.
    """

    def __init__(self, blocks: Any) -> None:
        super().__init__()
        self.set_blocks(blocks)

    def __getitem__(self, session_id: str) -> SessionState:
        """Return a visitor's session, a new one for a new visitor."""
        if session_id not in self.session_data:
            self.session_data[session_id] = LightSession(self.blocks)
        return super().__getitem__(session_id)
