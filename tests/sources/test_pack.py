"""Sample packs: where their photographs come from, whose they are, and what may not be measured on them."""

from sklearn.datasets import load_sample_images

from sn_viz.sources.pack import load_pack, pack_names


def test_photographs_are_credited_as_the_package_that_carries_them_says():
    (pack,) = (pack for pack in pack_names() if pack.name == "photos")
    beside = load_sample_images().DESCR
    assert "creativecommons.org/licenses/by/2.0" in beside and "CC BY 2.0" in pack.credit
    for name, photographer in (("china.jpg", "danielbuechele"), ("flower.jpg", "vultilion")):
        assert name in beside and f"flickr.com/photos/{photographer}/" in beside
        assert f"{name} by {photographer}" in pack.credit
    assert pack.credit in pack.demonstration


def test_a_pack_of_fewer_than_twenty_photographs_a_class_is_a_demonstration():
    for pack in pack_names():
        if pack.credit:
            images, _ = load_pack(pack.name, 60, 4)
            photographs = set(zip(images.groups or images.names, images.labels.tolist(), strict=True))
            fewest = min(sum(label == of for _, of in photographs) for label in range(len(images.classes)))
            assert fewest >= 20 or pack.demonstration.startswith("A demonstration"), pack.name
