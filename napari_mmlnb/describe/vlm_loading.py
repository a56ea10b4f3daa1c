"""From a folder to a model that answers: device, precision and memory first, then weights, then the adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig
from transformers.utils import logging

from napari_mmlnb.describe.adapter_base import check_base
from napari_mmlnb.describe.describing_facts import read_facts
from napari_mmlnb.describe.generation import end_tokens
from napari_mmlnb.describe.memory import (
    FOUR_BIT_NEEDS,
    Precision,
    check_passage,
    choose_precision,
    memory_available,
)
from napari_mmlnb.describe.vlm_folder import VlmFolder
from napari_mmlnb.errors import DescriberError, RequestError

if TYPE_CHECKING:
    from napari_mmlnb.describe.request import DescriberRequest

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class LoadedVlm:
    """A model and its processor, ready to answer.

    Parameters
    ----------
    name : str
        For errors.
    model, processor
        Of transformers.
    precision : str
        What its weights are held in.
    ends : frozenset of int
        Tokens that end an answer.
    image_px : int, optional
        Side that pictures are resized to before the processor, as they were when the model was fine-tuned.
    """

    name: str
    model: Any
    processor: Any
    precision: Precision
    ends: frozenset[int] = frozenset()
    image_px: int | None = None
    _texts: dict[int, str] = field(default_factory=dict)

    @property
    def on_card(self) -> bool:
        """Whether a graphics card computes."""
        return bool(self.model.device.type != "cpu")

    def inputs(self, pictures: Sequence[npt.NDArray[np.uint8]], prompt: str) -> dict[str, Any]:
        """What the model takes for these pictures, (h, w, 3) uint8 each, and this prompt; on its device."""
        shown = [self._sized(Image.fromarray(picture)) for picture in pictures]
        if getattr(self.processor, "chat_template", None):
            made = self.processor.apply_chat_template(
                [_question(picture, prompt) for picture in shown],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
        else:
            mark = getattr(self.processor, "image_token", "<image>")
            made = self.processor(
                text=[f"{mark}\n{prompt}\n"] * len(shown),
                images=[[picture] for picture in shown],
                return_tensors="pt",
                padding=True,
            )
        made = made.to(self.model.device)
        return {
            key: value.to(self.model.dtype) if torch.is_tensor(value) and value.is_floating_point() else value
            for key, value in made.items()
        }

    def text_of(self, tokens: Sequence[int]) -> str:
        """Tokens as text, special ones left out."""
        if len(tokens) == 1:
            if tokens[0] not in self._texts:
                self._texts[tokens[0]] = self._decode(tokens)
            return self._texts[tokens[0]]
        return self._decode(tokens)

    def _sized(self, picture: Image.Image) -> Image.Image:
        if self.image_px is None:
            return picture
        return picture.resize((self.image_px, self.image_px), Image.Resampling.BILINEAR)

    def _decode(self, tokens: Sequence[int]) -> str:
        tokenizer = getattr(self.processor, "tokenizer", self.processor)
        return str(tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def load_vlm(name: str, folder: VlmFolder, request: DescriberRequest) -> LoadedVlm:
    """Load a model, if it fits.

    Raises
    ------
    DescriberMemoryError
        If it does not.
    DescriberError
        If transformers cannot load it, or it is not the model that the adapter was trained on.
    RequestError
        If the device cannot be used.
    """
    device = _device(request.device)
    half: Precision = "bfloat16" if device != "cuda" or torch.cuda.is_bf16_supported() else "float16"
    lacking = tuple(package for package in FOUR_BIT_NEEDS if find_spec(package) is None)
    precision = choose_precision(
        name,
        folder.weights,
        device=device,
        half=half,
        available=memory_available(device),
        four_bit_lacks=lacking,
    )
    straight = device != "cpu" and "accelerate" not in lacking
    if device == "cuda" and not straight:
        check_passage(name, folder.weights, precision, memory_available("cpu"))
    if request.adapter is not None:
        check_base(name, folder.path, read_facts(name, request.adapter))
    try:
        with without_bars():
            model = _load_model(folder, device, precision, half, straight=straight)
            if request.adapter is not None:
                model = _with_adapter(model, request, merge=precision != "4-bit")
            processor = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                folder.path, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise DescriberError(
            name,
            f"{name} could not be loaded ({type(error).__name__}: {first}).",
            "Check that it is a vision-language model that this version of transformers knows.",
        ) from error
    if hasattr(processor, "tokenizer"):
        processor.tokenizer.padding_side = "left"
    if request.end_token is not None:
        model.generation_config.eos_token_id = sorted(end_tokens(model) | {request.end_token})
    return LoadedVlm(name, model.eval(), processor, precision, end_tokens(model), request.image_px)


def empty_card_cache() -> None:
    """Give back what the allocators of graphics cards hold and nobody uses."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _load_model(folder: VlmFolder, device: str, precision: Precision, half: Precision, *, straight: bool) -> Any:
    """The weights where they are to be: part by part onto a card (`straight`, by accelerate), else through memory."""
    arguments: dict[str, Any] = {
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
        "dtype": _DTYPES[half if precision == "4-bit" else precision],
    }
    if straight:
        arguments["device_map"] = {"": device}
    if precision == "4-bit":
        arguments["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=_DTYPES[half]
        )
    model: Any = AutoModelForImageTextToText.from_pretrained(folder.path, **arguments)
    return model if straight else model.to(device)


def _with_adapter(model: Any, request: DescriberRequest, *, merge: bool) -> Any:
    from peft import PeftModel  # noqa: PLC0415 - an extra

    adapted = PeftModel.from_pretrained(model, str(request.adapter), local_files_only=True)
    return adapted.merge_and_unload() if merge else adapted


def _question(picture: Image.Image, prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": prompt}]}]


def _device(name: str) -> str:
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, works in usable.items() if works)
    if not usable.get(name, False):
        raise RequestError(f"PyTorch cannot use the device {name!r} on this machine.", "Use auto or cpu.")
    return name


@contextmanager
def without_bars() -> Iterator[None]:
    """Without transformers' bars: what a person sees comes from the command or the viewer."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
