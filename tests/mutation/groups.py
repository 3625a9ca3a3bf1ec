"""What is mutated, and the fast tests that must notice: a few seconds of processor time for each group."""

from __future__ import annotations

from dataclasses import dataclass

OTHER_FAMILIES = "idefics3 or gemma3 or qwen3_vl or llava_onevision"
"""Tests of one behaviour over five architectures run on one here."""


@dataclass(frozen=True)
class Group:
    """Modules that belong together."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    """Files, those that notice most first."""
    without: str = ""
    """Tests left out, as pytest's ``-k not (...)``: slow ones, and those that judge the machine rather than the code."""
    jit: bool = True
    """Whether numba compiles; where it does not, kernels run as plain Python."""
    optimise: bool = True
    """Whether it optimises what it compiles: twice as slow to compile, and the only kind of code that it keeps for a next time."""


GROUPS = {
    "voting": (Group(("voting/classifier.py", "voting/votes.py"), ("tests/voting/test_classifier.py",), "finds_no_fault"),),
    "splits": (
        Group(
            ("splits/held_out.py", "splits/split.py", "groups.py", "voting/statistics.py", "voting/intervals.py"),
            (
                "tests/splits/test_held_out.py",
                "tests/splits/test_split.py",
                "tests/test_groups.py",
                "tests/voting/test_statistics.py",
            ),
        ),
    ),
    "store": (Group(("activations/store.py",), ("tests/activations/test_store.py",), "two_hundred_rows or two_processes"),),
    "answers": (
        Group(
            tuple(
                f"baselines/answers/{name}.py"
                for name in ("__init__", "fold", "inflect", "key", "mentions", "names", "numbers", "parse", "said")
            ),
            tuple(f"tests/baselines/test_answers{part}.py" for part in ("_key", "_words", "_table", "")),
        ),
    ),
    "exits": (
        Group(
            tuple(
                f"activations/{name}.py"
                for name in ("reader", "layout", "passes", "tail", "recording", "programs", "replay", "streaming", "hooks")
            ),
            tuple(
                f"tests/activations/test_{name}.py"
                for name in ("exits", "layout", "tail", "streaming", "reader", "programs", "replay")
            ),
            f"{OTHER_FAMILIES} or threads_take_turns or looks_at_the_pixels or reads_what_the_pass_reads or functions_are_gone",
        ),
        Group(
            tuple(f"early_exit/{name}.py" for name in ("policies", "certificates", "risk_control", "trial", "stream")),
            tuple(f"tests/early_exit/test_{name}.py" for name in ("policies", "certificates", "risk_control", "trial", "stream")),
            f"{OTHER_FAMILIES} or exchangeable",
        ),
        Group(("early_exit/decide.py",), ("tests/early_exit/test_decision.py", "tests/test_latency.py"), OTHER_FAMILIES),
    ),
    "search": (
        Group(
            ("search/stumps.py",),
            (
                "tests/search/test_search_pieces.py",
                "tests/search/test_warm_up.py",
                "tests/search/test_search.py",
                "tests/search/test_search_fixed.py",
                "tests/search/rules/test_rules.py",
            ),
            "read_only or importing or nothing_compiles or kernels_compile or tile_borders or many_small or random_cases or 130",
        ),
        Group(
            ("search/kernels/best_split.py", "search/kernels/sort.py"),
            ("tests/search/kernels/test_sort.py", "tests/search/kernels/test_kernel_folder.py", "tests/mutation/test_kernels.py"),
            optimise=False,
        ),
        Group(
            ("search/kernels/fixed.py",),
            ("tests/mutation/test_fixed_plainly.py",),
            jit=False,
        ),
    ),
}
