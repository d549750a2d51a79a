"""Vision transformers in folders give the tokens that transformers gives, as a map; no program in a folder runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from medgen.errors import MedgenError
from medgen.nn.features.extractors import load_extractor
from medgen.nn.features.feature_maps import LayerSettings, MidLayers

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
KINDS = ("Beit", "CLIPVision", "DeiT", "Dinov2", "Dinov2WithRegisters", "DINOv3ViT", "SiglipVision", "ViT")
FRONT = {"DeiT": 2, "Dinov2WithRegisters": 5, "DINOv3ViT": 4, "SiglipVision": 0}  # tokens before the patches; of the others 1
LOOKS = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.1], "size": {"height": 32, "width": 32}}
IMAGE = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))  # of another side than the nets were made for
STANDARD = (IMAGE - torch.tensor(LOOKS["image_mean"]).view(3, 1, 1)) / torch.tensor(LOOKS["image_std"]).view(3, 1, 1)


def save(folder: Path, kind: str = "Dinov2", looks: dict[str, Any] = LOOKS, **settings: Any) -> Any:
    """Write a folder with a small net of random weights; return the net."""
    transformers = pytest.importorskip("transformers", reason="needs `pip install 'medgen[transformers]'`")
    torch.manual_seed(0)
    known = (
        SMALL
        | ({} if "Dinov2" in kind else {"intermediate_size": 32})
        | ({"num_register_tokens": 3} if kind == "DINOv3ViT" else {})
    )
    net = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**(known | settings))).eval()
    with torch.no_grad():
        for weights in net.parameters():
            weights.normal_(0, 0.2)
    net.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(looks))
    return net


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def tokens(net: Any, front: int, **arguments: Any) -> Tensor:
    """Return the tokens that a net gives for the standardised image, without those before the patches, (B, 36, 16)."""
    with torch.no_grad():
        found: Tensor = net(pixel_values=STANDARD, **arguments).last_hidden_state[:, front:]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_has_the_tokens_of_the_patches_at_another_side(kind: str, tmp_path: Path) -> None:
    net = save(tmp_path, kind)
    expected = tokens(net, FRONT.get(kind, 1), **({} if "DINO" in kind.upper() else {"interpolate_pos_encoding": True}))
    (found,) = load_extractor(f"hf:{tmp_path}").layers(IMAGE, 48).values()
    assert expected.shape == (2, 36, 16)
    torch.testing.assert_close(found, expected.transpose(1, 2).reshape(2, 16, 6, 6), atol=1e-5, rtol=0)


def test_features_are_the_mean_of_the_map_at_the_side_of_the_folder(tmp_path: Path) -> None:
    save(tmp_path)
    extractor = load_extractor(f"hf:{tmp_path}")
    torch.testing.assert_close(extractor(IMAGE), extractor.layers(IMAGE, 32)[8].mean((2, 3)))


def test_a_cell_stands_where_its_patch_does(tmp_path: Path) -> None:
    save(tmp_path, num_hidden_layers=1)
    extractor, other = load_extractor(f"hf:{tmp_path}"), IMAGE.clone()
    other[:, :, 8:16, 32:40] = 1 - other[:, :, 8:16, 32:40]
    changed = (extractor.layers(other, 48)[8] - extractor.layers(IMAGE, 48)[8]).abs().sum(1)  # (B, 6, 6)
    assert changed.flatten(1).argmax(1).tolist() == [6 + 4] * 2


@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_of_a_net_for_pictures_and_texts_the_vision_tower_is_taken(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs `pip install 'medgen[transformers]'`")
    small = {**SMALL, "intermediate_size": 32}
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 9}
    text |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    net = getattr(transformers, f"{kind}Model")(
        getattr(transformers, f"{kind}Config")(vision_config=small, text_config=text)
    ).eval()
    net.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(LOOKS))
    expected = tokens(net.vision_model, int(kind == "CLIP"), interpolate_pos_encoding=True)
    found = load_extractor(f"hf:{tmp_path}").layers(IMAGE, 48)[8]
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), expected, atol=1e-5, rtol=0)


def test_weights_below_a_head_of_classes_are_found(tmp_path: Path) -> None:
    net = save(tmp_path, "ViT")
    state = load_file(tmp_path / "model.safetensors")
    save_file(
        {f"vit.{key}": value for key, value in state.items()} | {"classifier.bias": torch.zeros(2)},
        tmp_path / "model.safetensors",
    )
    found = load_extractor(f"hf:{tmp_path}").layers(IMAGE, 48)[8]
    expected = tokens(net, 1, interpolate_pos_encoding=True)
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), expected, atol=1e-5, rtol=0)


def test_half_precision_weights_are_computed_in_float32(tmp_path: Path) -> None:
    save(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file({key: value.half() for key, value in state.items()}, tmp_path / "model.safetensors")
    change(tmp_path / "config.json", dtype="float16", torch_dtype="float16")
    assert {weights.dtype for weights in load_extractor(f"hf:{tmp_path}").parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("looks", "side", "value"),
    [
        ({}, 32, (0.6 - 0.4) / 0.25),
        ({"do_center_crop": True, "crop_size": {"height": 24, "width": 24}}, 24, (0.6 - 0.4) / 0.25),
        ({"size": {"shortest_edge": 40}}, 40, (0.6 - 0.4) / 0.25),
        ({"size": 16, "do_normalize": False}, 16, 0.6),
        ({"rescale_factor": 1 / 127.5}, 32, (1.2 - 0.4) / 0.25),
    ],
)
def test_frames_are_brought_to_the_net_as_the_folder_says(looks: dict[str, Any], side: int, value: float, tmp_path: Path) -> None:
    save(tmp_path, looks={**LOOKS, **looks})
    found = load_extractor(f"hf:{tmp_path}").prepare(torch.full((1, 3, 8, 8), 0.6))
    torch.testing.assert_close(found[:, 1], torch.full((1, side, side), value))


@pytest.mark.parametrize(
    ("looks", "answer"),
    [
        ({"image_std": [0.2, 0.0, 0.1]}, "the standard deviation of the colours"),
        ({"image_mean": [0.5, float("nan"), 0.1]}, "the mean of the colours"),
        ({"image_mean": [0.5]}, "the mean of the colours"),
        ({"size": {"longest_edge": 32}}, "a side of None"),
        ({"rescale_factor": "1/255"}, "of rescale_factor: 1/255"),
    ],
)
def test_what_frames_cannot_look_like_is_refused(looks: dict[str, Any], answer: str, tmp_path: Path) -> None:
    save(tmp_path, looks={**LOOKS, **looks})
    with pytest.raises(MedgenError, match=f"says .*{answer}"):
        load_extractor(f"hf:{tmp_path}")


def test_a_net_for_one_colour_is_refused(tmp_path: Path) -> None:
    save(tmp_path, num_channels=1)
    with pytest.raises(MedgenError, match="says 1 colours in patches of 8; expected 3 colours"):
        load_extractor(f"hf:{tmp_path}")


def test_a_program_in_the_folder_does_not_run(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: ...\n")
    named = dict.fromkeys(("AutoModel", "AutoConfig"), "modeling_own.Own")
    change(
        tmp_path / "config.json", auto_map=named, _attn_implementation="own/kernel", quantization_config={"quant_method": "own"}
    )
    load_extractor(f"hf:{tmp_path}")
    assert not (tmp_path / "ran").exists()


def test_a_detector_looks_at_the_map_and_tells_another_standard_by_its_fingerprint(tmp_path: Path) -> None:
    save(tmp_path / "a")
    save(tmp_path / "b", looks={**LOOKS, "image_mean": [0.5, 0.5, 0.5]})
    first, other = (MidLayers(LayerSettings(extractor=f"hf:{tmp_path / name}", side=48, strides=(8,))) for name in "ab")
    assert first.widths == (16,) and first.grid == (6, 6)
    assert not torch.equal(first.fingerprint, other.fingerprint)


def test_a_side_that_patches_do_not_fill_is_refused_with_one_that_they_do(tmp_path: Path) -> None:
    save(tmp_path)
    with pytest.raises(MedgenError, match="patches of 8 pixels; set the side to 48, not 50"):
        load_extractor(f"hf:{tmp_path}").layers(IMAGE, 50)


def test_a_net_whose_weights_are_not_all_there_is_refused(tmp_path: Path) -> None:
    save(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    lacking = next(key for key in state if "query.weight" in key)
    save_file({key: value for key, value in state.items() if key != lacking}, tmp_path / "model.safetensors")
    with pytest.raises(MedgenError, match=r"the weights lack \S+ and 0 more; expected all of a Dinov2"):
        load_extractor(f"hf:{tmp_path}")


@pytest.mark.parametrize(("key", "value"), [("hidden_size", 24), ("num_attention_heads", 7), ("hidden_act", "nothing")])
def test_a_configuration_of_another_net_is_refused(key: str, value: object, tmp_path: Path) -> None:
    save(tmp_path)
    change(tmp_path / "config.json", **{key: value})
    with pytest.raises(MedgenError, match="transformers builds no Dinov2 of this configuration and these weights"):
        load_extractor(f"hf:{tmp_path}")


@pytest.mark.parametrize(("key", "value"), [("hidden_size", 10**9), ("num_hidden_layers", 5000)])
def test_a_configuration_far_larger_than_its_weights_is_refused_before_a_net_is_built(
    key: str, value: int, tmp_path: Path
) -> None:
    save(tmp_path)
    change(tmp_path / "config.json", **{key: value})
    with pytest.raises(MedgenError, match="asks for more than its"):
        load_extractor(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "cannot read .*config.json: No such file"),
        ({"config.json": "{"}, "is not valid JSON"),
        ({"config.json": "[]"}, "holds a list; expected an object"),
        ({"config.json": '{"model_type": "own"}'}, "is of model_type 'own'; expected one of clip, siglip, beit"),
        ({"config.json": '{"model_type": "clip"}'}, "has no 'vision_config'"),
        ({"config.json": '{"model_type": "vit"}'}, "has no preprocessor_config.json"),
        ({"config.json": '{"model_type": "vit"}', "preprocessor_config.json": "{}"}, "has no model.safetensors"),
        ({"config.json": '{"model_type": "vit"}', "preprocessor_config.json": "{}", "a.bin": ""}, "safetensors, not a.bin"),
        ({"open_clip_config.json": '{"model_cfg": {}}'}, "has no 'model_cfg.vision_cfg'"),
    ],
)
def test_a_folder_that_lacks_something_is_refused_with_what(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(MedgenError, match=message):
        load_extractor(f"hf:{tmp_path}")


def test_without_transformers_the_answer_is_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "preprocessor_config.json").write_text("{}")
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(MedgenError, match=r"needs transformers: pip install 'medgen\[transformers\]'"):
        load_extractor(f"hf:{tmp_path}")
