"""Vision-language models of the published architectures, small enough to be made and taught a few sentences in a test.

They are saved as plain folders with processor, tokenizer and chat template, as a user's model or a bundle's is, and
come back through transformers' stock auto classes. `teach` fits one to pictures and texts: what it says is then known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    FastVlmConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)
from transformers.models.clip import CLIPImageProcessor

Picture = npt.NDArray[np.uint8]

PAD, START, END, IMAGE = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"
VISION = ("<|vision_start|>", "<|vision_end|>")
VIDEO = "<|video_pad|>"
SPECIAL = (PAD, START, END, IMAGE, *VISION, VIDEO)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE_HERE{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

CORPUS = (
    "You are a pathologist specialised in childhood tumours; describe what is seen in this image under the microscope.",
    "Neuropil is abundant. Nuclei are small and dark. Dark fragments are few.",
    "Neuropil is scant. Nuclei are large and pale. Dark fragments are many. No necrosis is seen.",
    "user assistant system the of and in with cells are this differentiating poorly differentiated subtype",
)


def fast_vlm(folder: Path, *, corpus: Sequence[str] = CORPUS, seed: int = 0) -> Path:
    """A FastVLM of timm's smallest EfficientNet and two layers of Qwen2, 64 px, four tokens a picture."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer(corpus)
    config = FastVlmConfig(
        vision_config={
            "model_type": "timm_wrapper",
            "architecture": "test_efficientnet",
            "do_pooling": False,
            "hidden_size": 256,
            "model_args": {"global_pool": ""},
        },
        text_config={"model_type": "qwen2", **_language(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=4,
        tie_word_embeddings=True,
    )
    side = {"height": 64, "width": 64}
    pictures = CLIPImageProcessor(size=side, crop_size=side, do_center_crop=False, resample=3)
    processor = LlavaProcessor(
        pictures,
        tokenizer,
        patch_size=32,
        vision_feature_select_strategy="full",
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE.replace("IMAGE_HERE", IMAGE),
    )
    return _save(AutoModelForImageTextToText.from_config(config), processor, folder)


def qwen2_5_vl(folder: Path, *, corpus: Sequence[str] = CORPUS, seed: int = 0) -> Path:
    """A Qwen2.5-VL of two visual and two language blocks."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer(corpus)
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    ids = tokenizer.convert_tokens_to_ids([IMAGE, VIDEO, *VISION])
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [1],
            "window_size": 112,
        },
        text_config={
            **_language(tokenizer),
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
        },
        **dict(zip(names, ids, strict=True)),
        tie_word_embeddings=True,
    )
    pixels = {"min_pixels": 56 * 56, "max_pixels": 112 * 112}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**pixels),
        tokenizer,
        Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE.replace("IMAGE_HERE", VISION[0] + IMAGE + VISION[1]),
    )
    return _save(AutoModelForImageTextToText.from_config(config), processor, folder)


def teach(
    folder: Path, pairs: Sequence[tuple[Picture, str]], prompt: str, *, steps: int = 300, lr: float = 6e-3
) -> float:
    """Fit the model in `folder` to say each text of its picture, by its own chat template; gives the last loss."""
    from transformers import AutoProcessor

    torch.manual_seed(1)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    inputs, labels = _lesson(processor, pairs, prompt)
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(**inputs)
    model.eval()  # statistics of the pictures at hand, from here on fixed: what is taught is what will be said
    # What a tower of random weights sees is enough to tell pictures apart, and costs no backward pass.
    for name, weight in model.named_parameters():
        weight.requires_grad = ".vision_tower." not in name
    taught = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(taught, lr=lr, weight_decay=0.0)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        loss = model(**inputs, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(taught, 1.0)
        optimiser.step()
        if loss.item() < 0.005:
            break
    model.eval().save_pretrained(folder, safe_serialization=True)
    return loss.item()


def _lesson(processor: Any, pairs: Sequence[tuple[Picture, str]], prompt: str) -> tuple[Any, torch.Tensor]:
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
    question = processor.apply_chat_template(asked, add_generation_prompt=True)
    texts = [question + text + END for _, text in pairs]
    pictures = [picture for picture, _ in pairs]
    processor.tokenizer.padding_side = "right"
    inputs = processor(text=texts, images=pictures, return_tensors="pt", padding=True)
    alone = processor(text=[question], images=pictures[:1], return_tensors="pt")["input_ids"].shape[1]
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    labels[:, :alone] = -100
    return inputs, labels


def _language(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "bos_token_id": None,
        "eos_token_id": tokenizer.convert_tokens_to_ids(END),
        "pad_token_id": tokenizer.convert_tokens_to_ids(PAD),
    }


def _tokenizer(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = bytes_of
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        min_frequency=1,
    )
    bare.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=1024,
        extra_special_tokens={"image_token": IMAGE, "video_token": VIDEO},
    )


def _save(model: Any, processor: Any, folder: Path) -> Path:
    tokenizer = processor.tokenizer
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.eval().save_pretrained(folder, safe_serialization=True)
    processor.save_pretrained(folder)
    return folder
