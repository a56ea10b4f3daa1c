"""The small describing model: a FastVLM of transformers with a ResNet of timm, a Qwen2 and a tokenizer of its own.

Stock auto classes load what is saved: there is no code of ours in the model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import AutoModelForImageTextToText, FastVlmConfig, LlavaProcessor, PreTrainedTokenizerFast
from transformers.models.clip import CLIPImageProcessor

from napari_mmlnb.bundles.weights_file import share_as_folder
from napari_mmlnb.training.small_vlm.config import LanguageConfig, TowerConfig
from napari_mmlnb.training.small_vlm.tiles import SIDE_PX, SQUARES

PAD, START, END, IMAGE = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>"
STRIDE_PX = SIDE_PX // SQUARES
ANSWER_TOKENS = 128

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' or part.type == 'image_url' %}<image>"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE of the words that are to be said; what it does not know it spells."""
    bare = Tokenizer(BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END, IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bare,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=1024,
        extra_special_tokens={"image_token": IMAGE},
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Tiles resized to 224 px and scaled to -1 ... 1, one token a square of 32 px."""
    side = {"height": SIDE_PX, "width": SIDE_PX}
    half = [0.5, 0.5, 0.5]
    images = CLIPImageProcessor(
        size=side, crop_size=side, do_center_crop=False, resample=3, image_mean=half, image_std=half
    )
    return LlavaProcessor(  # type: ignore[no-untyped-call]
        images,
        tokenizer,
        patch_size=STRIDE_PX,
        vision_feature_select_strategy="full",
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, tower: TowerConfig, language: LanguageConfig) -> Any:
    """A `FastVlmForConditionalGeneration` with random weights, float32."""
    config = FastVlmConfig(
        vision_config={
            "model_type": "timm_wrapper",
            "architecture": "resnet18",
            "do_pooling": False,
            "hidden_size": tower.channels[-1],
            "model_args": {
                "stem_type": "deep_tiered",
                "stem_width": tower.stem,
                "channels": list(tower.channels),
                "layers": list(tower.layers),
                "avg_down": True,
            },
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": language.hidden,
            "intermediate_size": language.intermediate,
            "num_hidden_layers": language.layers,
            "num_attention_heads": language.heads,
            "num_key_value_heads": language.heads,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        image_token_index=int(tokenizer.encode(IMAGE, add_special_tokens=False)[0]),
        image_seq_length=SQUARES * SQUARES,
        tie_word_embeddings=True,
    )
    model: Any = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    # Greedy by default, so that whoever asks for no settings gets what was measured.
    settings = model.generation_config
    settings.do_sample, settings.max_new_tokens = False, ANSWER_TOKENS
    settings.eos_token_id, settings.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    return model


def save_model(model: Any, processor: LlavaProcessor, folder: Path, card: str) -> None:
    """Write a folder that stock auto classes load; weights in float16, which halves it."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.float16).save_pretrained(folder)
    share_as_folder(folder)
    model.float()
    processor.save_pretrained(folder)
    (folder / "README.md").write_text(card, encoding="utf-8")
