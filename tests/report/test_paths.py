"""Paths in other programs' sentences: none of a patient's name is left, and sentences without a path stay."""

import pytest

from napari_mmlnb.report.paths import WITHHELD, without_paths


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ("no processor in /home/dr.smith/Patient Meier/vlm2. Look there.", f"no processor in {WITHHELD}. Look there."),
        ("(model /home/Meier/x not found). Check it.", f"(model {WITHHELD}). Check it."),
        ("No such file: 'C:\\Users\\Meier Hans\\x.gguf'.", f"No such file: '{WITHHELD}'."),
        ("see D:/Users/Meier/x; then more", f"see {WITHHELD}; then more"),
        ("\\\\srv\\share\\Patient Meier is gone", WITHHELD),
        ("error at \\Users\\Meier\\x", f"error at {WITHHELD}"),
        ("~/Meier is gone. Try again.", f"{WITHHELD}. Try again."),
        ("file:///home/Meier/x failed", WITHHELD),
        ("s3://bucket/Meier/x failed", f"{WITHHELD} failed"),
        ("open Meier/qwen.gguf failed", f"open {WITHHELD} failed"),
        ("Meier_Hans.svs is unreadable.", f"{WITHHELD} is unreadable."),
        ("path=/home/Meier", f"path={WITHHELD}"),
        ("PosixPath('/home/Meier')", f"PosixPath('{WITHHELD}')"),
        ("cannot read /home/o'Brien Meier/x now", f"cannot read {WITHHELD}"),
        ("2 models (/home/Hans Meier/x.gguf, /y/Meier.gguf) here", f"2 models ({WITHHELD}, {WITHHELD}) here"),
        ("/home/Dr. Hans Meier/qwen is missing", WITHHELD),
        ("/data/Fall. Meier/qwen is missing", f"{WITHHELD}. {WITHHELD} is missing"),
        ("no /v1/models/Meier here", f"no {WITHHELD}"),
    ],
)  # fmt: skip
def test_a_path_goes_with_what_may_belong_to_it(told, left):
    assert without_paths(told) == left


@pytest.mark.parametrize(
    "told",
    [
        "There is no server at http://127.0.0.1:8000/v1 (Connection refused). Give its address, each under /v1.",
        "Does its address end in /v1?",
        "POST /v1/chat/completions is not known",
        "Open https://huggingface.co/Qwen/Qwen2.5/commits/main and write it.",
        "The score is 9.31, the limit 2.40, at 0.25 um/px; about ~5 um and/or more.",
        "Qwen/Qwen2.5-VL-7B-Instruct with torch.float16 1.0.2 gave </think>",
        "",
    ],
)
def test_what_is_no_path_stays(told):
    assert without_paths(told) == told
