"""The search against the reference (every cut, one at a time), scikit-learn, and itself under changes that must not matter."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

import sn_viz
from sn_viz.errors import UserError
from sn_viz.search import stumps as search
from sn_viz.search.reference import best_split as slow_search
from sn_viz.search.reference import effect_size, score_of
from sn_viz.search.rules import RULES
from sn_viz.search.stumps import METRIC_WORDS, METRICS, best_scores_under_null, find_stumps, warm_up


def check_against_slow(values, labels, metric, n_classes):
    stumps = find_stumps(values, labels, "best-split", metric, n_classes)
    spoken = [1] if n_classes == 2 else range(n_classes)
    expected = [slow_search(column, labels == c, metric) for column in values.T for c in spoken]
    assert stumps.neuron.tolist() == [i for i in range(values.shape[1]) for _ in spoken]
    assert stumps.class_index.tolist() == list(spoken) * values.shape[1]
    np.testing.assert_array_equal(stumps.threshold, np.array([e[0] for e in expected], np.float32))
    np.testing.assert_array_equal(stumps.sign, [e[1] for e in expected])
    scores = np.array([e[2] for e in expected])
    if metric == "effect-size":  # sums in one order on both sides
        np.testing.assert_array_equal(stumps.score, scores.astype(np.float32))
    np.testing.assert_allclose(stumps.score, scores, rtol=0, atol=1e-6 if metric != "effect-size" else 1e-4)


def awkward(rng, n, m, dtype):
    """Ties, duplicates, constants, both zeros, subnormals, extremes and undefined columns."""
    values = rng.normal(size=(n, m)).astype(dtype)
    values[:, 1] = rng.integers(0, 3, n)
    values[:, 2] = 0.25
    values[:, 3] = rng.choice([0.0, -0.0], n)
    values[:, 4] = rng.choice([0.0, -0.0, 1.0], n)
    values[:, 5] = values[:, 0]
    values[0, 6] = np.nan
    values[1, 7] = -np.inf
    values[:, 8] = rng.choice([np.finfo(dtype).smallest_subnormal, 0, -np.finfo(dtype).smallest_subnormal], n)
    values[:, 9] = rng.choice([np.finfo(dtype).max, np.finfo(dtype).min, 1], n)
    values[:, 10] = np.where(rng.random(n) < 0.5, np.nextafter(dtype(1), dtype(2)), dtype(1))
    values[-1, 11] = np.inf
    values[0, 12] = np.copysign(np.nan, -1)
    return values


def says(column, threshold, sign):
    return sign * (column.astype(np.float64) - float(threshold)) > 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("metric", METRICS)
def test_the_reference_scores_as_scikit_learn_does_and_separates_no_equal_values(dtype, metric):
    theirs = {"accuracy": accuracy_score, "f1": lambda *given: f1_score(*given, zero_division=0)}.get(
        metric, balanced_accuracy_score
    )
    rng = np.random.default_rng(11)
    values, is_class, defined = awkward(rng, 60, 37, dtype), np.arange(60) % 3 == 0, 0
    for column in values.T:
        threshold, sign, score = slow_search(column, is_class, metric)
        if np.isnan(score):
            assert not np.isfinite(column).all() or len(np.unique(column)) == 1
            continue
        defined, said, column = defined + 1, says(column, threshold, sign), column.astype(np.float64)
        assert score_of(said, is_class, metric) == pytest.approx(theirs(is_class, said), abs=1e-12)
        if metric == "roc-auc":
            area = roc_auc_score(is_class, column)
            assert score == pytest.approx(max(area, 1 - area), abs=1e-12) and (area == 0.5 or sign == (1 if area > 0.5 else -1))
        elif metric == "effect-size":
            inside, outside = column[is_class], column[~is_class]
            pooled = np.sqrt((inside.var() * len(inside) + outside.var() * len(outside)) / (len(column) - 2))
            apart = inside.mean() - outside.mean()
            assert score == pytest.approx(abs(apart) / pooled, rel=1e-6, abs=1e-9)  # neighbouring floats cost digits
            assert abs(apart) < 1e-9 * pooled or sign == (1 if apart > 0 else -1)
        else:
            assert score == pytest.approx(theirs(is_class, said), abs=1e-12)
        assert not set(column[said]) & set(column[~said]) and 0 < said.sum() < len(said)
    assert defined == 31


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("n", "n_classes"), [(2, 2), (7, 2), (40, 2), (23, 4), (130, 3)])
def test_every_stump_equals_a_search_over_all_cuts(metric, dtype, n, n_classes):
    rng = np.random.default_rng(n)
    labels = rng.permutation(np.arange(n) % n_classes)
    check_against_slow(awkward(rng, n, 37, dtype), labels, metric, n_classes)


def random_case(seed):
    """Sizes around the borders of blocks and tiles, uneven and absent classes, few or many distinct values."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([2, 3, 15, 16, 17, 31, 33, 48, 65, 127, 129, 200, 300]))
    n_classes = int(rng.integers(2, 7))
    labels = rng.choice(n_classes, size=n, p=rng.dirichlet(np.full(n_classes, 0.6)))
    levels = int(rng.choice([2, 5, 40, 10**6]))
    whole = rng.integers(-levels, levels, (n, int(rng.choice([1, 15, 31, 32, 33, 70]))))
    values = (whole * rng.choice([1e-4, 0.1, 7])).clip(-6e4, 6e4)
    return values.astype(rng.choice([np.float16, np.float32])), labels, n_classes, str(rng.choice(METRICS))


@pytest.mark.parametrize("seed", range(30))
def test_random_cases_equal_a_search_over_all_cuts(seed):
    values, labels, n_classes, metric = random_case(seed)
    check_against_slow(values, labels, metric, n_classes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_prefix_of_columns_and_many_small_classes_are_searched_alike(dtype):
    rng = np.random.default_rng(8)
    values, labels = rng.normal(size=(90, 300)).astype(dtype), rng.permutation(np.arange(90) % 30)
    whole, prefix = find_stumps(values, labels), find_stumps(values[:, :101], labels)
    np.testing.assert_array_equal(whole.threshold[: 101 * 30], prefix.threshold)
    check_against_slow(values[:, :3], labels, "balanced-accuracy", 30)


@pytest.mark.parametrize("n", [255, 256, 257, 511, 600, 1100])
def test_sorting_is_right_around_the_tile_borders(n):
    rng = np.random.default_rng(n)
    check_against_slow(rng.normal(size=(n, 5)).astype(np.float16), rng.integers(0, 2, n), "balanced-accuracy", 2)
    check_against_slow(rng.normal(size=(n, 2)).astype(np.float32), rng.integers(0, 2, n), "roc-auc", 2)


@pytest.mark.parametrize("rule", ["best-split", "zero", "midpoint"])
def test_the_margin_is_the_gap_as_a_fraction_of_the_range(rule):
    values = np.array([[-3, 1, 5], [-1, 2, 5], [1, 6, 5], [7, 9, 5]], np.float16)
    stumps = find_stumps(values, np.array([0, 0, 1, 1]), rule)
    expected = {"best-split": [0.2, 0.5, 0], "zero": [0.2, 0, 0], "midpoint": [0, 0.5, 0]}[rule]
    np.testing.assert_allclose(stumps.margin, expected, rtol=1e-6)


def test_every_float16_keeps_its_place():
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    every = np.unique(every[np.isfinite(every)])
    lower, upper = every[:-1], every[1:]
    stumps = find_stumps(np.stack([lower, upper]), np.array([0, 1]))
    assert (stumps.score == 1).all() and (stumps.sign == 1).all()
    assert (lower.astype(np.float32) < stumps.threshold).all() and (stumps.threshold < upper.astype(np.float32)).all()


def test_roc_auc_equals_scikit_learn():
    rng = np.random.default_rng(0)
    values = rng.integers(-5, 5, size=(80, 30)).astype(np.float16)
    labels = (rng.random(80) < 0.3).astype(int)
    stumps = find_stumps(values, labels, metric="roc-auc")
    areas = [roc_auc_score(labels, column) for column in values.T]
    np.testing.assert_allclose(stumps.score, [max(a, 1 - a) for a in areas], atol=1e-6)
    np.testing.assert_array_equal(stumps.sign, [1 if a >= 0.5 else -1 for a in areas])


def test_no_depth_one_tree_beats_a_stump():
    rng = np.random.default_rng(1)
    values, labels = rng.normal(size=(60, 20)).astype(np.float32), rng.integers(0, 2, 60)
    stumps = find_stumps(values, labels)
    for stump in range(20):
        column = values[:, [stumps.neuron[stump]]]
        tree = DecisionTreeClassifier(max_depth=1, class_weight="balanced").fit(column, labels)
        said = says(column[:, 0], stumps.threshold[stump], stumps.sign[stump])
        assert balanced_accuracy_score(labels, said) == pytest.approx(stumps.score[stump])
        assert stumps.score[stump] >= balanced_accuracy_score(labels, tree.predict(column)) - 1e-6


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rule", ["zero", "midpoint"])
def test_fixed_rules_score_what_their_stumps_say(rule, metric):
    rng = np.random.default_rng(2)
    values, labels = awkward(rng, 30, 20, np.float16), np.arange(30) % 3
    stumps = find_stumps(values, labels, rule, metric)
    for stump in range(len(stumps)):
        column, is_class = values[:, stumps.neuron[stump]].astype(np.float32), labels == stumps.class_index[stump]
        if not np.isfinite(column).all() or len(np.unique(column)) == 1:
            assert np.isnan(stumps.score[stump])
            continue
        threshold = 0.0 if rule == "zero" else (column[is_class].mean(dtype=float) + column[~is_class].mean(dtype=float)) / 2
        assert stumps.threshold[stump] == np.float32(threshold)
        if metric == "roc-auc":
            area = roc_auc_score(is_class, column)
            assert stumps.score[stump] == pytest.approx(max(area, 1 - area))
        elif metric == "effect-size":
            assert stumps.score[stump] == np.float32(abs(effect_size(column, is_class)))
        else:
            both = [score_of(says(column, np.float32(threshold), sign), is_class, metric) for sign in (1, -1)]
            assert stumps.score[stump] == pytest.approx(max(both))
            assert stumps.sign[stump] == (1 if both[0] >= both[1] else -1)


def test_permuting_neurons_permutes_results():
    rng = np.random.default_rng(3)
    values, labels = rng.normal(size=(31, 70)).astype(np.float16), rng.integers(0, 2, 31)
    order = rng.permutation(70)
    straight, shuffled = find_stumps(values, labels), find_stumps(values[:, order], labels)
    for field in ("threshold", "sign", "score"):
        np.testing.assert_array_equal(getattr(straight, field)[order], getattr(shuffled, field))


def test_an_order_preserving_map_leaves_scores_unchanged():
    rng = np.random.default_rng(4)
    values, labels = rng.normal(size=(31, 70)).astype(np.float32), rng.integers(0, 2, 31)
    np.testing.assert_array_equal(find_stumps(values, labels).score, find_stumps(np.exp(values), labels).score)


def test_both_dtypes_agree_on_the_same_values():
    rng = np.random.default_rng(5)
    values, labels = awkward(rng, 50, 40, np.float16), rng.integers(0, 3, 50)
    half, single = find_stumps(values, labels), find_stumps(values.astype(np.float32), labels)
    for field in ("threshold", "sign", "score"):
        np.testing.assert_array_equal(getattr(half, field), getattr(single, field))


def test_layout_and_memory_maps_do_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr("sn_viz.matrix.SLAB_BYTES", 4096)
    rng = np.random.default_rng(6)
    values, labels = rng.normal(size=(20, 400)).astype(np.float16), rng.integers(0, 2, 20)
    np.save(tmp_path / "values.npy", values)
    expected = find_stumps(values, labels)
    for same in (np.asfortranarray(values), np.load(tmp_path / "values.npy", mmap_mode="r"), values.astype(float)):
        np.testing.assert_array_equal(find_stumps(same, labels).threshold, expected.threshold)


def test_one_class_and_absent_classes_are_undefined():
    values = np.arange(12, dtype=np.float16).reshape(4, 3)
    assert np.isnan(find_stumps(values, np.zeros(4, int)).score).all()
    score = find_stumps(values, np.array([0, 0, 2, 2])).score.reshape(3, 3)
    assert np.isnan(score[:, 1]).all() and (score[:, [0, 2]] == 1).all()


@pytest.mark.parametrize(
    ("labels", "extra", "words"),
    [
        ([0, 1, -1, 1], {}, "unknown"),
        ([0, 1, 1], {}, "shape"),
        ([0, 1, 5, 1], {"classes": ["a", "b"]}, "classes"),
        ([0, 1, 0, 1], {"metric": "luck"}, "balanced-accuracy"),
        ([0, 1, 0, 1], {"rule": "luck"}, "best-split"),
    ],
)
def test_mistakes_get_a_sentence(labels, extra, words):
    with pytest.raises(UserError, match=words):
        find_stumps(np.zeros((4, 2), np.float16), np.array(labels), **extra)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rule", ["best-split", "zero", "midpoint"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_null_equals_searching_every_labelling(metric, rule, n_classes):
    rng = np.random.default_rng(7)
    values, labels = awkward(rng, 25, 40, np.float16), np.arange(25) % n_classes
    null = best_scores_under_null(values, labels, metric, rule, n_labellings=5, seed=3)
    again = np.random.default_rng(3)
    expected = [np.nanmax(find_stumps(values, again.permutation(labels), rule, metric).score) for _ in range(5)]
    np.testing.assert_allclose(null, expected, atol=1e-6)
    if metric == "effect-size":
        np.testing.assert_array_equal(null, expected)
    assert null.dtype == np.float32


def test_effect_sizes_are_cohens_d_with_the_sign_of_the_means_and_the_most_accurate_cut_on_that_side():
    values = np.array([[1, 7, 0, 2, 4], [3, 5, 0, 2, 4], [5, 3, 1, 2, 4], [7, 1, 1, 3, 4]], np.float16)
    stumps = find_stumps(values, np.array([0, 0, 1, 1]), metric="effect-size")
    d = 4 / np.sqrt(2)  # means 2 and 6, variance 2 within each class
    np.testing.assert_allclose(stumps.score, [d, d, 1000, 1, np.nan], rtol=1e-6)
    assert stumps.sign.tolist() == [1, -1, 1, 1, 1] and stumps.threshold.tolist() == [4, 4, 0.5, 2.5, 0]


def test_the_effect_size_neither_sees_the_scale_nor_the_order_of_examples():
    rng = np.random.default_rng(12)
    values, labels, order = rng.normal(size=(40, 60)).astype(np.float32), np.arange(40) % 2, rng.permutation(40)
    straight = find_stumps(values, labels, metric="effect-size").score
    np.testing.assert_array_equal(straight, find_stumps(values[order], labels[order], metric="effect-size").score)
    np.testing.assert_array_equal(straight, find_stumps(values * 8, labels, metric="effect-size").score)
    np.testing.assert_allclose(straight, find_stumps(values * 3 + 5, labels, metric="effect-size").score, atol=1e-5)


def test_every_metric_is_explained():
    assert list(METRIC_WORDS) == list(METRICS) and all(words.endswith(".") for words in METRIC_WORDS.values())


def test_the_null_of_nothing_defined_is_undefined():
    assert np.isnan(best_scores_under_null(np.zeros((6, 3), np.float16), np.arange(6) % 2, n_labellings=4)).all()
    assert np.isnan(best_scores_under_null(np.eye(6, dtype=np.float16), np.zeros(6, int), n_labellings=4)).all()


def test_rules_are_files_in_a_folder():
    assert RULES.names() == ["best-split", "midpoint", "zero"]


def test_importing_the_search_is_quick_and_light():
    code = "import sys, sn_viz.search.stumps; print([m for m in ('torch', 'gradio', 'numba', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_nothing_compiles_after_warming_up():
    warm_up()
    from sn_viz.search.kernels import best_split as search_kernels

    compiled = search_kernels._compiled_once.cache_info().misses
    frozen = np.arange(30, dtype=np.float32).reshape(10, 3)
    frozen.flags.writeable = False
    find_stumps(frozen, np.arange(10) % 3, metric="f1")
    assert compiled == 7 == search_kernels._compiled_once.cache_info().misses


FIND = """
import numpy as np
from sn_viz.search.stumps import find_stumps
score = find_stumps(np.arange(4, dtype=np.float16)[:, None], np.array([0, 0, 1, 1])).score[0]
from sn_viz.search.kernels import best_split as search_kernels
print(score, sum(search_kernels.search(2).stats.cache_hits.values()), search_kernels.kernel_folder())
"""


@pytest.mark.long
def test_a_read_only_install_keeps_its_kernels_elsewhere_and_a_fresh_process_compiles_nothing(tmp_path):
    package = tmp_path / "installed" / "sn_viz"
    shutil.copytree(Path(sn_viz.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "ui", "training"))
    (package / "search" / "kernels" / "__pycache__").write_text("in the way: root may write into folders that are marked read-only")
    (tmp_path / "home").write_text("no home either")
    settings = {"PYTHONPATH": str(package.parent), "HOME": str(tmp_path / "home"), "SN_VIZ_CACHE": str(tmp_path / "cache")}
    environment = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")} | settings
    for hits in ("0", "1"):
        ran = [sys.executable, "-c", FIND]
        done = subprocess.run(ran, capture_output=True, text=True, timeout=240, env=environment, cwd=tmp_path)
        assert done.stdout.split()[:2] == ["1.0", hits], done.stderr[-500:]
        assert done.stdout.split()[2].startswith(str(tmp_path / "cache" / "kernels-"))


def test_kernels_compile_where_nothing_can_be_kept(monkeypatch, tmp_path):
    from sn_viz.search.kernels import best_split as search_kernels

    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(search_kernels.settings, "CACHE_DIR", "")
    for name in ("HOME", "XDG_CACHE_HOME", "SN_VIZ_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    made = Path.mkdir
    here = Path(search_kernels.__file__).with_name("__pycache__")

    def refuse(path, *args, **more):
        if here in path.parents:
            raise PermissionError("read-only")
        made(path, *args, **more)

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert search_kernels.kernel_folder() is None
    kernel = search_kernels._compiled_once.__wrapped__(one_more, lambda *_: (), 2)
    assert kernel() == 1


def one_more():
    return 1


def test_memory_bounds_the_number_of_classes(monkeypatch):
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(600, 40)).astype(np.float16), np.arange(600) % 300
    values[:, 7] = labels  # every class lies apart from those below or above, the first and the last from all
    found = search.find_stumps(values, labels)
    assert len(found) == 40 * 300 and found.score[7 * 300] == found.score[7 * 300 + 299] == 1
    monkeypatch.setattr(search, "FEW_STUMPS", 1000)
    monkeypatch.setattr(search, "_free_bytes", lambda: 10**6)
    with pytest.raises(UserError, match="more memory than is free. 40 neurons for 300 classes take about 0.0 GiB"):
        search.find_stumps(values, labels)
