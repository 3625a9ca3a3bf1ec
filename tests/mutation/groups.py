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
    "voting": (Group(("classifier.py",), ("tests/test_classifier.py",), "finds_no_fault"),),
    "splits": (
        Group(
            ("held_out.py", "sources/split.py", "groups.py", "statistics.py"),
            ("tests/test_held_out.py", "tests/sources/test_split.py", "tests/test_groups.py", "tests/test_statistics.py"),
        ),
    ),
    "store": (Group(("store.py",), ("tests/test_store.py",), "two_hundred_rows or two_processes"),),
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
            ("exits.py",),
            ("tests/test_exits.py", "tests/models/test_programs.py"),
            f"{OTHER_FAMILIES} or threads_take_turns or looks_at_the_pixels or reads_what_the_pass_reads or functions_are_gone",
        ),
        Group(("policies.py", "certificates.py"), ("tests/test_policies.py",), f"{OTHER_FAMILIES} or exchangeable"),
        Group(("decision.py",), ("tests/test_decision.py", "tests/test_latency.py"), OTHER_FAMILIES),
    ),
    "search": (
        Group(
            ("search.py",),
            ("tests/test_search.py", "tests/test_search_fixed.py", "tests/rules/test_rules.py"),
            "read_only or importing or can_be_kept or compiles or another_process or tile_borders or many_small or best_split-130",
        ),
        Group(
            ("search_kernels.py", "search_sort.py"),
            ("tests/mutation/test_kernels.py",),
            optimise=False,
        ),
        Group(
            ("search_fixed.py",),
            ("tests/mutation/test_fixed_plainly.py",),
            jit=False,
        ),
    ),
}
