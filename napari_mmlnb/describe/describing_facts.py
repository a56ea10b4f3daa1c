"""`describing.json`: what a describing model must be asked, and shown, to do what it has learned.

`mmlnb finetune-vlm` writes it beside an adapter or a merged model; whoever asks such a model reads it here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_mmlnb.describe.prompt import Generation
from napari_mmlnb.digest import kept_sha256
from napari_mmlnb.errors import DescriberError

FACTS_FILE = "describing.json"
UNSTATED = "not stated in its folder"
"""What stands for a licence that the base's folder does not give."""

_DIGESTED = ("config.json", "*.safetensors", "tokenizer.json", "*processor_config.json", "chat_template.*")


class DescribingFacts(BaseModel):
    """Beside an adapter or a merged model.

    Parameters
    ----------
    base, base_sha256, licence : str
        What was fine-tuned (OWNER/NAME on the hub, or the name of a folder), its `folder_digest`, and whose terms hold.
    prompt : str
        The question that it was trained with.
    image_px : int, optional
        Side that images are to be resized to before the processor; None where the processor has a size of its own.
    generation : Generation, optional
        How it wrote when it was judged; None in older files.
    end_token : int, optional
        The token that its answers were taught to end with; None in older files.
    """

    base: str
    base_sha256: str
    licence: str
    prompt: str
    image_px: Annotated[int, Field(gt=0)] | None
    generation: Generation | None = None
    end_token: int | None = None

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def stated_licence(self) -> str:
        """The licence; empty where nobody stated one."""
        return "" if self.licence == UNSTATED else self.licence

    def write(self, folder: Path) -> None:
        """Write the file into a folder."""
        (folder / FACTS_FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_facts(describer: str, folder: Path) -> DescribingFacts | None:
    """What stands beside a model; None where nothing does.

    Parameters
    ----------
    describer : str
        For errors, which do not give the path.
    folder : Path
        Of the model or the adapter.

    Raises
    ------
    DescriberError
        If the file cannot be read, or is not what it should be.
    """
    try:
        return DescribingFacts.model_validate_json((folder / FACTS_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = f"at {where}: {first['msg']}" if where else first["msg"]
    except OSError as error:
        problem = error.strerror or "it cannot be opened"
    raise DescriberError(
        describer,
        f"The {FACTS_FILE} of {describer}, which says what it must be asked, cannot be used ({problem}).",
        "Copy it again from where the model was fine-tuned.",
    )


def folder_digest(folder: Path) -> str:
    """Digest of a model's weights, configuration, tokenizer and processor: which base an adapter belongs to.

    Parameters
    ----------
    folder : Path
        As transformers saves it.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    files = sorted({file for pattern in _DIGESTED for file in folder.glob(pattern)})
    told = "".join(f"{file.name} {kept_sha256(file)}\n" for file in files)
    return hashlib.sha256(told.encode()).hexdigest()
