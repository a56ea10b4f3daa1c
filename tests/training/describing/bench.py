"""What a fine-tuning has in its hands before it learns."""

from __future__ import annotations

from pathlib import Path

import torch

from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.describing.adapter import put_on
from napari_mmlnb.training.describing.answers import Conversation
from napari_mmlnb.training.describing.base_model import find_base, load_model, load_processor
from napari_mmlnb.training.describing.cases import read_described
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.describing.lessons import Lessons
from tests.training.describing.tiny import configuration


class Bench:
    """A tiny model with its cases."""

    def __init__(self, model: Path, folder: Path, **changes: object) -> None:
        path = configuration(folder, model, **changes)
        self.config = config = read_as(DescribingConfig, path)
        self.base = base = find_base(config, folder)
        self.cases = read_described(config, folder).cases
        self.conversation = Conversation(load_processor(base), config.prompt, config.image_px, config.max_length)
        torch.manual_seed(0)
        self.model = put_on(load_model(base.folder, "x", torch.float32, torch.device("cpu")), config, base).eval()
        self.pixels = Lessons(self.cases, self.conversation)
