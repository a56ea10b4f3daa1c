from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.describing.tiny import image_table, tiny_fast_vlm, tiny_idefics, tiny_qwen

MAKERS: dict[str, Callable[[Path], Path]] = {"qwen": tiny_qwen, "fast_vlm": tiny_fast_vlm, "idefics": tiny_idefics}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each architecture; nobody changes them."""
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


@pytest.fixture
def qwen(models: dict[str, Path]) -> Path:
    return models["qwen"]


@pytest.fixture(params=sorted(MAKERS))
def model(request: pytest.FixtureRequest, models: dict[str, Path]) -> Path:
    return models[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return image_table(tmp_path / "data")
