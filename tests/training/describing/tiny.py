"""Describing models of a few thousand weights, of stock classes, and images whose colour their words tell."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoImageProcessor,
    FastVlmConfig,
    FastVlmForConditionalGeneration,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from napari_mmlnb.describe.prompt import DEFAULT_PROMPT

COLOURS = {"pd": (205, 120, 160), "d": (120, 60, 200), "ud": (90, 160, 90)}
WORDS = {
    "pd": "Pink fibrils lie between the cells.",
    "d": "Large violet cells with much cytoplasm.",
    "ud": "Packed small green cells. No fibrils are seen.",
}
LABELS = {"pd": "poorly differentiated", "d": "differentiating", "ud": "undifferentiated"}

_TURN = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPECIAL = [
    "<|pad|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<image>",
]
_IDEFICS_TURN = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}"
    "{% for part in message['content'] %}{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{{ 'Assistant:' if add_generation_prompt else '' }}"
)
_IDEFICS = [
    "<|pad|>",
    "<|im_start|>",
    "<end_of_utterance>",
    "<fake_token_around_image>",
    "<global-img>",
    "<image>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
]


def tiny_qwen(folder: Path, seed: int = 0) -> Path:
    """A Qwen2.5-VL of two layers in the text and two in the image part."""
    tokenizer = _tokenizer([*WORDS.values(), DEFAULT_PROMPT, "user assistant"])
    id_of = tokenizer.convert_tokens_to_ids
    torch.manual_seed(seed)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 48,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]},
            "bos_token_id": None,
            "eos_token_id": id_of("<|im_end|>"),
            "pad_token_id": id_of("<|pad|>"),
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": 48,
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        image_token_id=id_of("<|image_pad|>"),
        video_token_id=id_of("<|video_pad|>"),
        vision_start_token_id=id_of("<|vision_start|>"),
        vision_end_token_id=id_of("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    _widen(model)
    template = _TURN.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    # As the published one: any size of image goes in.
    images = Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28, "longest_edge": 280 * 280})
    processor = Qwen2_5_VLProcessor(images, tokenizer, Qwen2VLVideoProcessor(), chat_template=template)
    return _saved(folder, model, processor, tokenizer)


def tiny_fast_vlm(folder: Path, seed: int = 0) -> Path:
    """A FastVLM with a MobileNet of timm at 64 px (batch norm and all) and two layers of Qwen2."""
    tokenizer = _tokenizer([*WORDS.values(), DEFAULT_PROMPT, "user assistant"])
    id_of = tokenizer.convert_tokens_to_ids
    torch.manual_seed(seed)
    config = FastVlmConfig(
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 48,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "bos_token_id": None,
            "eos_token_id": id_of("<|im_end|>"),
            "pad_token_id": id_of("<|pad|>"),
        },
        vision_config={
            "model_type": "timm_wrapper",
            "architecture": "mobilenetv3_small_050",
            "hidden_size": 288,
            "do_pooling": False,
            "model_args": {},
        },
        image_token_index=id_of("<image>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    model = FastVlmForConditionalGeneration(config)
    _widen(model)
    images = AutoImageProcessor.from_pretrained(_clip_images(folder))
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=32,
        vision_feature_select_strategy="full",
        chat_template=_TURN.replace("IMAGE", "<image>"),
        image_token="<image>",  # noqa: S106
    )
    return _saved(folder, model, processor, tokenizer)


def tiny_idefics(folder: Path, seed: int = 0) -> Path:
    """An Idefics3, which SmolVLM is made after: images of several parts, and a turn that opens with a space."""
    tokenizer = _tokenizer([*WORDS.values(), DEFAULT_PROMPT, "User: Assistant:"], _IDEFICS)
    id_of = tokenizer.convert_tokens_to_ids
    torch.manual_seed(seed)
    config = Idefics3Config(
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": 48,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "bos_token_id": None,
            "eos_token_id": id_of("<end_of_utterance>"),
            "pad_token_id": id_of("<|pad|>"),
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        image_token_id=id_of("<image>"),
        pad_token_id=id_of("<|pad|>"),
        scale_factor=2,
        tie_word_embeddings=False,
    )
    model = Idefics3ForConditionalGeneration(config)
    _widen(model)
    images = Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=_IDEFICS_TURN)
    return _saved(folder, model, processor, tokenizer)


def _clip_images(folder: Path) -> Path:
    from transformers import CLIPImageProcessor

    sizes = {"size": {"height": 64, "width": 64}, "crop_size": {"height": 64, "width": 64}, "do_center_crop": False}
    CLIPImageProcessor(**sizes).save_pretrained(folder)
    return folder


def _widen(model: torch.nn.Module) -> None:
    """Weights of some size: with transformers' own deviation of 0.02 a network this narrow says nothing at all."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "timm_model" not in name:
                weight.normal_(0, 0.6 / weight[0].numel() ** 0.5 if weight.dim() == 2 else 0.05)
        model.get_input_embeddings().weight.normal_(0, 0.5)


def _tokenizer(texts: Iterable[str], special: list[str] = _SPECIAL) -> PreTrainedTokenizerFast:
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator(list(texts) * 2, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        eos_token=special[2],
        pad_token="<|pad|>",  # noqa: S106
        additional_special_tokens=special[1:],
    )


def _saved(folder: Path, model, processor, tokenizer) -> Path:
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nMade for a test.\n", encoding="utf-8")
    return folder


def image_table(folder: Path, patients: int = 12, images: int = 2, seed: int = 0, side: int = 70) -> Path:
    """`images/`, and `table.csv` in the layout of NBITP-1.5K with the patients; the folder."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for patient in range(patients):
        name = list(COLOURS)[patient % len(COLOURS)]
        for number in range(images):
            file = f"p{patient:02d}-{number}.png"
            pixels = np.array(COLOURS[name]) + random.normal(0, 10, (side, side, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / file)
            rows.append({"file_name": file, "description": WORDS[name], "class": name, "patient": f"P{patient}"})
    write_table(folder, rows)
    return folder


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_table(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def configuration(folder: Path, model: Path, **changes: object) -> Path:
    """`vlm.yaml` in the folder: two epochs of a few steps, on the CPU."""
    settings = {
        "name": "small",
        "model": str(model),
        "classes": LABELS,
        "data": {"table": "table.csv", "images": "images"},
        "image_px": 56,
        "epochs": 2,
        "batch": 4,
        "accumulation": 2,
        "learning_rate": 1e-2,
        "lora": {"r": 8, "alpha": 16},
        "gradient_checkpointing": False,
        "checkpoint_steps": 1,
        "report_texts": 4,
        "samples": 3,
        "generation": {"temperature": 0, "repetition_penalty": 1, "max_new_tokens": 12},
        "device": "cpu",
        "seed": 1,
    }
    path = folder / "vlm.yaml"
    path.write_text(yaml.safe_dump(settings | changes, sort_keys=False), encoding="utf-8")
    return path
