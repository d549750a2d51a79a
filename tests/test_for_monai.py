"""medgen's data through MONAI's own loader, cache and Compose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, RandFlipd
from PIL import Image
from untrained import make_frames

from medgen import api
from medgen.data.dataset import make_batch
from medgen.data.for_monai import LoadCropd, PreparedSet
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.errors import ConfigError, DataError

SIZE = 32


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    root = tmp_path_factory.mktemp("monai")
    frames = make_phantom(root / "frames", PhantomSettings(train=5, val=4, test_normal=3, test_abnormal=3, width=160, height=160))
    return api.prepare(frames, root / "data", PrepareSettings(size=SIZE))


def test_a_file_is_cut_to_the_crop_that_is_prepared_of_it(data: Prepared) -> None:
    crop = Compose([LoadCropd("image", data.settings.model_dump())])
    for row, path in enumerate(data.index["path"]):
        found = crop({"image": Path(data.source) / path})
        assert torch.equal(found["image"], torch.from_numpy(np.array(data.frames[row])).permute(2, 0, 1).float().div(255)), path
        assert torch.equal(found["image_valid"][0], torch.from_numpy(np.array(data.valid[row]))), path


def test_a_file_of_several_frames_is_asked_which(tmp_path: Path) -> None:
    frames = np.stack([np.full((40, 40, 3), value, np.uint8) for value in (10, 200)])
    np.save(tmp_path / "two.npy", frames)
    crop = LoadCropd("image", {"size": SIZE, "overlay": "none"})
    with pytest.raises(DataError, match="holds several frames; say which under the key 'frame'"):
        crop({"image": tmp_path / "two.npy"})
    assert crop({"image": tmp_path / "two.npy", "frame": 1})["image"].unique().tolist() == [np.float32(200) / np.float32(255)]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png': is not an image inside"):
        LoadCropd("image")({"image": tmp_path / "broken.png"})


def test_each_item_has_image_valid_mask_and_label_of_its_row(data: Prepared) -> None:
    items, rows = PreparedSet(data.folder, "test"), data.rows("test")
    batch = make_batch(data, rows)
    assert batch.label is not None and batch.mask is not None and len(items) == len(rows)
    for k, item in enumerate(items):
        assert torch.equal(item["image"], batch.image[k]) and torch.equal(item["valid"], batch.valid[k])
        assert torch.equal(item["mask"], batch.mask[k]) and item["label"] == batch.label[k]
        assert (item["path"], item["index"]) == (data.index["path"].iloc[rows[k]], rows[k])


def test_a_loader_of_monai_makes_batches_of_it(data: Prepared) -> None:
    batch = next(iter(DataLoader(PreparedSet(data.folder, "train"), batch_size=4)))
    assert (
        batch["image"].shape == (4, 3, SIZE, SIZE) and batch["valid"].dtype == torch.bool and batch["label"].tolist() == [0] * 4
    )


def test_a_cache_of_monai_holds_it_once_and_transforms_what_it_holds(data: Prepared) -> None:
    flip = RandFlipd(["image", "valid", "mask"], prob=1.0, spatial_axis=1)
    cached = CacheDataset(PreparedSet(data.folder, "val"), flip, progress=False)
    assert torch.equal(torch.as_tensor(cached[0]["image"]), PreparedSet(data.folder, "val")[0]["image"].flip(2))


def test_a_transform_is_called_with_each_item(data: Prepared) -> None:
    assert PreparedSet(data, "val", lambda item: item["path"])[1] == data.index["path"].iloc[data.rows("val")[1]]


def test_the_crops_of_an_address_are_its_whole_frames(tmp_path: Path) -> None:
    frames = make_frames(tmp_path)
    item = PreparedSet(f"folder:{frames}", "test")[0]
    written = np.asarray(Image.open(frames / item["path"]))
    assert np.array_equal(np.rint(item["image"].numpy() * 255), written.transpose(2, 0, 1))
    assert item["valid"].all() and not item["mask"].any() and not item["annotated"]


def test_a_split_that_is_not_there_is_refused(data: Prepared) -> None:
    with pytest.raises(ConfigError, match="there is no split 'tset'; did you mean 'test'"):
        PreparedSet(data, "tset")
    with pytest.raises(DataError, match="has no frames in split 'unused'"):
        PreparedSet(data, "unused")
