"""A digest follows the numbers, however they came to be others."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from napari_mmlnb.inference.runtimes.weights import weights_digest


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def _add(module: nn.Module) -> None:
    with torch.no_grad():
        module[0].weight.add_(1)


def _load(module: nn.Module) -> None:
    module.load_state_dict({name: tensor * 0 for name, tensor in module.state_dict().items()})


def _assign(module: nn.Module) -> None:
    module.load_state_dict({name: tensor * 0 for name, tensor in module.state_dict().items()}, assign=True)


def _replace(module: nn.Module) -> None:
    module[0].weight = nn.Parameter(torch.ones(3, 4))


def _train(module: nn.Module) -> None:
    module.train()(torch.randn(8, 4))  # a batch norm counts


@pytest.mark.parametrize("change", [_add, _load, _assign, _replace, _train])
def test_what_changes_the_numbers_changes_the_digest(module, change):
    before = weights_digest(module)
    assert weights_digest(module) == before
    change(module)
    after = weights_digest(module)
    assert after != before
    fresh = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    fresh.load_state_dict(module.state_dict())
    assert weights_digest(fresh) == after


def test_what_was_moved_in_inference_mode_has_a_digest_too(module):
    """As on a card, where buffers are moved by whoever asks first: PyTorch counts no changes of those."""
    before = weights_digest(module)
    with torch.inference_mode():
        module.to(torch.float64)
    moved = weights_digest(module)
    assert moved != before
    with torch.inference_mode():
        module[1].running_mean.add_(1)
    assert weights_digest(module) != moved


def test_no_module_is_kept_alive(module):
    weights_digest(module)
    alive = weakref.ref(other := nn.Linear(2, 2))
    weights_digest(other)
    del other
    gc.collect()
    assert alive() is None
