"""The published network, and the faults of the released code that are mended here."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from transformers import BertConfig, BertModel

from napari_mmlnb.models.image_text import ImageTextPrmf
from napari_mmlnb.models.towers.image import ImageTower, build_image_tower
from napari_mmlnb.models.towers.text import TEXT_TOWERS, BertTower
from napari_mmlnb.training.config import CurriculumConfig
from napari_mmlnb.training.curriculum import phase_at
from napari_mmlnb.training.image_level.loop import prmf_loss, set_learning


@pytest.fixture
def model() -> ImageTextPrmf:
    torch.manual_seed(0)
    return ImageTextPrmf(build_image_tower("small"), TEXT_TOWERS.get("small").build(50), 3)


def test_the_published_towers_have_the_published_sizes() -> None:
    pytest.importorskip("transformers")
    model = ImageTextPrmf(build_image_tower("vgg16"), TEXT_TOWERS.get("bert-base").build(100), 3)
    assert (model.image.dimension, model.text.dimension) == (512, 768)
    gate = model.fusion.confidence
    assert (gate[0].in_features, gate[0].out_features, gate[2].out_features) == (1280, 256, 1)
    assert (model.fusion.align.in_features, model.fusion.align.out_features) == (512, 768)
    assert (model.head[1].p, model.head[2].in_features) == (0.3, 768)
    with torch.inference_mode():
        answer = model.eval()(torch.zeros(2, 3, 224, 224), torch.tensor([[5, 6, 0], [7, 0, 0]]))
    assert (answer.fused.shape, answer.image.shape, answer.gate.shape) == ((2, 3), (2, 3), (2,))


def test_the_image_branch_is_judged_by_logits_of_its_own(model: ImageTextPrmf) -> None:
    """The released code takes the cross-entropy of the features themselves: their first numbers as if of classes."""
    pixels, ids = torch.randn(4, 3, 224, 224), torch.randint(1, 50, (4, 6))
    answer = model.eval()(pixels, ids)
    v = model.image(pixels)
    assert answer.image.shape == (4, 3) != v.shape
    torch.testing.assert_close(answer.image, model.image_head(v))
    labels = torch.tensor([0, 1, 2, 0])
    published = functional.cross_entropy(v, labels)
    assert not torch.isclose(functional.cross_entropy(answer.image, labels), published)


def test_the_loss_weighs_as_alpha_says() -> None:
    fused, image, labels = torch.randn(5, 3), torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    parts = [functional.cross_entropy(logits, labels) for logits in (fused, image)]
    torch.testing.assert_close(prmf_loss(fused, image, labels, 0.3), 0.3 * parts[0] + 0.7 * parts[1])
    torch.testing.assert_close(prmf_loss(fused, image, labels, 1.0), parts[0])


@pytest.mark.parametrize(
    ("epoch", "image", "text"),
    [(0, True, False), (49, True, False), (50, True, True), (99, True, True), (100, False, False)],
)
def test_a_frozen_tower_evaluates_and_learns_nothing(model: ImageTextPrmf, epoch: int, image: bool, text: bool) -> None:
    """In the released code frozen encoders keep dropout, and batch norms would go on counting."""
    set_learning(model, phase_at(epoch, CurriculumConfig()))
    for tower, learns in ((model.image, image), (model.text, text)):
        assert all(module.training == learns for module in tower.modules())
        assert all(parameter.requires_grad == learns for parameter in tower.parameters())
    for part in (model.fusion, model.head):
        assert all(module.training for module in part.modules())
        assert all(parameter.requires_grad for parameter in part.parameters())


def test_a_frozen_text_tower_says_the_same_twice_and_as_published_it_does_not() -> None:
    """The released code freezes the weights alone, so dropout goes on in a tower that learns nothing."""
    torch.manual_seed(0)
    bert = BertTower(BertModel(BertConfig(vocab_size=50, hidden_size=16, num_attention_heads=2, num_hidden_layers=2)))
    model = ImageTextPrmf(build_image_tower("small"), bert, 3)
    ids = torch.randint(1, 50, (2, 6))
    set_learning(model, phase_at(0, CurriculumConfig()))
    assert torch.equal(model.text(ids), model.text(ids))
    model.train()
    model.text.requires_grad_(False)  # as published
    assert not torch.equal(model.text(ids), model.text(ids))


def test_the_weight_of_the_loss_advances_where_as_published_it_stays() -> None:
    """The released code asks for the weight of epoch 0 in every epoch."""
    config = CurriculumConfig()
    ours = [phase_at(epoch, config).alpha for epoch in range(150)]
    published = [phase_at(0, config).alpha for _ in range(150)]
    assert set(published) == {0.3}
    assert ours[:50] == published[:50]
    assert sorted({round(alpha, 2) for alpha in ours}) == [0.3, 0.44, 0.58, 0.72, 0.86, 1.0]


def test_the_images_own_head_rests_where_it_counts_for_nothing(model: ImageTextPrmf) -> None:
    """Adam would move it on by what it remembers of the phases before."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    pixels, ids, labels = torch.randn(4, 3, 64, 64), torch.randint(1, 50, (4, 6)), torch.tensor([0, 1, 2, 0])
    heads = []
    for epoch in (60, 120):
        phase = phase_at(epoch, CurriculumConfig())
        set_learning(model, phase)
        answer = model(pixels, ids)
        optimiser.zero_grad(set_to_none=True)
        prmf_loss(answer.fused, answer.image, labels, phase.alpha).backward()
        optimiser.step()
        heads.append(model.image_head.weight.detach().clone())
    assert torch.equal(*heads)


def test_the_gate_says_how_far_the_text_was_trusted(model: ImageTextPrmf) -> None:
    pixels, ids = torch.randn(2, 3, 224, 224), torch.randint(1, 50, (2, 6))
    other = torch.randint(1, 50, (2, 6))
    model.eval()
    with torch.inference_mode():
        for bias, trusted in ((-30.0, False), (30.0, True)):
            model.fusion.confidence[2].bias.fill_(bias)
            one, two = model(pixels, ids), model(pixels, other)
            assert bool((one.gate > 0.5).all()) is trusted
            assert torch.allclose(one.fused, two.fused, atol=1e-5) is not trusted


def test_any_timm_network_with_feature_maps_is_a_tower() -> None:
    tower = build_image_tower("timm:resnet18")
    assert isinstance(tower, ImageTower)
    assert tower.dimension == 512
    assert tower.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 512)
