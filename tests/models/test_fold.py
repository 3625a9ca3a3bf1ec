"""A convolutional tower is folded at load: the same map to rounding, and nothing is touched where that would not hold."""

import pytest
import torch
from torch import nn
from transformers import EfficientNetModel

from sn_viz.activations.tower import picture_means
from sn_viz.models.blocks import is_convolutional, tower_blocks
from sn_viz.models.fold import convolutional_tower, simplify_tower
from sn_viz.training.families.photo import GATE_BIAS, tower_config


class Whole(nn.Module):
    """A model around a tower, as far as folding looks at it."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.vision_tower = tower


@pytest.fixture
def model() -> Whole:
    torch.manual_seed(0)
    tower = EfficientNetModel(tower_config(64)).eval()
    for part in tower.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            nn.init.uniform_(part.weight, 0.5, 1.5)
        elif isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
    for block in tower.encoder.blocks:
        nn.init.zeros_(block.squeeze_excite.expand.weight)
        nn.init.constant_(block.squeeze_excite.expand.bias, GATE_BIAS)
    return Whole(tower).requires_grad_(False)


def last_map(model: Whole) -> torch.Tensor:
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return model.vision_tower(pixels).last_hidden_state


def test_a_folded_tower_computes_the_same_map_without_batch_norms(model):
    before = last_map(model)
    difference = simplify_tower(model)
    assert difference is not None and difference < 1e-5
    assert torch.allclose(last_map(model), before, atol=1e-4 * float(before.abs().max()))
    kinds = [type(part).__name__ for part in model.modules()]
    assert "BatchNorm2d" not in kinds and "EfficientNetSqueezeExciteLayer" not in kinds


def test_a_gate_that_is_not_one_stays(model):
    gate = model.vision_tower.encoder.blocks[3].squeeze_excite
    gate.expand.bias.fill_(2.0)
    simplify_tower(model)
    kinds = [type(part).__name__ for part in model.modules()]
    assert kinds.count("EfficientNetSqueezeExciteLayer") == 1


def test_a_tower_whose_norm_does_not_follow_its_convolution_is_left_as_it_was(model):
    class Between(nn.Module):
        """A norm registered behind a convolution, but used before it."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3)
            self.norm.running_mean.fill_(0.7)  # type: ignore[union-attr]

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.conv(torch.relu(self.norm(pixels))))

    odd = Whole(Between()).eval().requires_grad_(False)
    before = odd.vision_tower(torch.ones(1, 3, 4, 4))
    assert simplify_tower(odd, side=16) is None
    assert torch.equal(odd.vision_tower(torch.ones(1, 3, 4, 4)), before)
    assert isinstance(odd.vision_tower.norm, nn.BatchNorm2d)


def test_half_precision_is_left_as_it_is(model):
    assert simplify_tower(model.half()) is None


def test_a_tower_with_attention_is_not_convolutional():
    tower = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.MultiheadAttention(4, 1))
    assert convolutional_tower(Whole(tower)) is None


def test_convolutional_blocks_are_blocks_of_the_tower_and_their_means_are_over_places(model):
    blocks = tower_blocks(model)
    assert len(blocks) == 17 and blocks[-1] is model.vision_tower.encoder.top_activation and is_convolutional(blocks)
    states = torch.randn(3, 5, 2, 4)
    found = picture_means(states, {"input_ids": torch.zeros(3, 1)}, channels_first=True)
    assert torch.allclose(found, states.mean((2, 3)), atol=1e-6)
