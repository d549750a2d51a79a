"""Hashes against ImageHash's published values, pairs against brute force, groups against networkx."""

from __future__ import annotations

import tracemalloc
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medgen.data.field.contour import cut, find_field, resize, square_box, to_uint8
from medgen.data.images import read_image
from medgen.data.preparing.alike import duplicates as module
from medgen.data.preparing.alike import likeness
from medgen.data.preparing.alike.duplicates import (
    dhash,
    digest,
    exact_duplicates,
    join,
    likest_before,
    near_duplicates,
    thumbnail,
)
from medgen.data.sources import read_source
from medgen.errors import ImageError


def waves(shift: float = 0.0, height: int = 96, width: int = 120) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width] / 10.0
    return np.stack([127 + 120 * np.sin(x + y / 2 + k + shift) * np.cos(y - x / 3) for k in range(3)], axis=-1).astype(np.uint8)


def hashes(count: int, bits: int = 64) -> NDArray[np.uint64]:
    return np.random.default_rng(3).integers(0, 2**bits, count, dtype=np.uint64)


@pytest.mark.parametrize(("shift", "value"), [(0.0, 0x3632939B99C9CD4C), (1.0, 0x64662732B19399D8), (2.5, 0xE9442C7422373A91)])
def test_dhash_equals_imagehash(shift: float, value: int) -> None:
    assert dhash(waves(shift)) == value  # str(imagehash.dhash(PIL.Image.fromarray(waves(shift)))), ImageHash 4.3.2


def test_dhash_of_float_and_grey_frames_is_that_of_the_8_bit_frame() -> None:
    frame = waves()
    assert dhash((frame / 255).astype(np.float32)) == dhash(frame)
    grey = frame[..., :1]
    assert dhash(grey) == dhash(np.repeat(grey, 3, axis=2))


def test_dhash_survives_another_size_and_brightness() -> None:
    frame = waves()
    darker = (frame * 0.7 + 5).astype(np.uint8)
    assert (dhash(frame) ^ dhash(darker)).bit_count() <= 2
    assert (dhash(frame) ^ dhash(np.repeat(np.repeat(frame, 3, 0), 3, 1))).bit_count() <= 2


def test_thumbnail_averages_over_areas() -> None:
    frame = waves(height=64, width=96)
    means = frame.reshape(16, 4, 16, 6, 3).mean(axis=(1, 3))
    assert np.abs(thumbnail(frame) - means).max() <= 1 and thumbnail(frame).shape == (16, 16, 3)
    assert thumbnail(frame[..., :1]).shape == (16, 16, 3)


def test_digest_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"medgen")
    assert digest(tmp_path / "a") == sha256(b"medgen").hexdigest()


def test_digest_of_a_missing_file_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        digest(tmp_path / "a")


def test_exact_duplicates_point_to_the_first() -> None:
    assert exact_duplicates(["a", "b", "a", "c", "a", "b"]) == [(0, 2), (0, 4), (1, 5)]


@pytest.mark.parametrize("distance", [0, 1, 2, 4])
def test_pairs_join_what_all_pairs_within_the_distance_would_join(distance: int) -> None:
    import networkx  # torch depends on it

    values = hashes(300, bits=20)
    graph = networkx.Graph(
        (i, j) for i in range(300) for j in range(i, 300) if (int(values[i]) ^ int(values[j])).bit_count() <= distance
    )
    pairs = near_duplicates(values, distance)
    theirs = sorted(min(part) for part in networkx.connected_components(graph))
    assert [*np.unique(join(300, pairs), return_index=True)[1]] == theirs and len(pairs) == 300 - len(theirs)
    assert all((int(values[i]) ^ int(values[j])).bit_count() <= distance for i, j in pairs)


def test_five_thousand_hashes_are_joined_as_a_search_of_all_pairs_joins_them() -> None:
    rng = np.random.default_rng(7)
    scene = rng.permutation(5000) // 5 * 5  # a thousand scenes of five frames, mixed
    values = hashes(5000, bits=40)[scene]
    values ^= np.uint64(1) << rng.integers(0, 64, 5000).astype(np.uint64)  # two of a scene differ in two bits or in none
    pairs, labels = [], np.arange(5000)
    for i in range(5000):
        for j in (i + 1 + np.flatnonzero(np.bitwise_count(values[i + 1 :] ^ values[i]) <= 2)).tolist():
            if labels[i] != labels[j]:
                pairs.append((i, j))
                labels[labels == labels[j]] = labels[i]
    assert near_duplicates(values) == pairs and len(pairs) >= 4000


def test_a_still_scene_of_ten_thousand_frames_is_one_group_in_little_memory() -> None:
    noise = np.random.default_rng(0).integers(0, 3, (10_000, 16, 16, 3), dtype=np.uint8)
    thumbnails = thumbnail(waves()) // 2 + noise
    tracemalloc.start()
    pairs = near_duplicates(np.zeros(10_000, dtype=np.uint64), thumbnails=thumbnails)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs == [(0, other) for other in range(1, 10_000)]
    assert peak < 150e6  # all pairs would be 50 million


def scenes(seed: int, count: int = 150) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Hashes and thumbnails of noisy frames of a few smooth scenes, some frames of one colour."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 12, count)
    pictures = np.repeat(np.repeat(rng.integers(0, 256, (12, 4, 4, 3)), 4, axis=1), 4, axis=2)
    noise = rng.normal(0, rng.choice([4, 14, 20], count)[:, None, None, None], (count, 16, 16, 3))
    thumbnails = np.clip(pictures[scene] + noise, 0, 255).astype(np.uint8)
    thumbnails[rng.random(count) < 0.05] = 7
    values = rng.integers(0, 2**64, 12, dtype=np.uint64)[scene]
    for _ in range(6):
        values ^= np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
    return values, thumbnails


def alike_in_full(values: NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which of all pairs are alike, and the correlations of all, (N, N) each, one by one."""
    centred = thumbnails - thumbnails.mean(axis=(1, 2), keepdims=True)
    vectors = centred.reshape(len(values), -1)
    lengths = np.linalg.norm(vectors, axis=1)
    correlations = vectors @ vectors.T / np.maximum(lengths[:, None] * lengths, 1e-9)
    return (np.bitwise_count(values[:, None] ^ values) <= 10) & (correlations >= 0.96), correlations


@pytest.mark.parametrize("known", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_that_a_search_of_all_pairs_finds(seed: int, known: float) -> None:
    values, thumbnails = scenes(seed)
    rng = np.random.default_rng(seed)
    owners = np.where(rng.random(150) < known, rng.integers(0, 9, 150), -1)
    alike, _ = alike_in_full(values, thumbnails)
    group, owner, pairs = list(range(150)), owners.tolist(), []  # group of each frame, owner of each group
    for i in range(150):
        for j in range(i + 1, 150):
            mine, other = group[i], group[j]
            if alike[i, j] and mine != other and (owner[mine] == owner[other] or min(owner[mine], owner[other]) < 0):
                pairs.append((i, j))
                owner[mine] = max(owner[mine], owner[other])
                group = [mine if each == other else each for each in group]
    assert near_duplicates(values, thumbnails=thumbnails, owners=owners) == pairs and len(pairs) > 20


def test_pairs_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values, thumbnails = scenes(2)
    expected = near_duplicates(values, thumbnails=thumbnails)
    monkeypatch.setattr(likeness, "AT_ONCE", 3)
    assert near_duplicates(values, thumbnails=thumbnails) == expected


@pytest.mark.parametrize("waiting", [1, 1 << 22])
def test_the_likest_are_those_that_a_search_of_all_pairs_finds(waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", waiting)
    values, thumbnails = scenes(5)
    rank = np.random.default_rng(0).integers(0, 3, 150)
    alike, correlations = alike_in_full(values, thumbnails)
    allowed = np.where(alike & (rank[:, None] < rank), correlations, 0)  # (of lower rank, of higher)
    theirs = [(int(allowed[:, row].argmax()), row) for row in range(150) if allowed[:, row].any()]
    assert likest_before(values, thumbnails, rank) == theirs and len(theirs) > 20


def test_no_chain_of_pairs_joins_frames_of_two_owners() -> None:
    owners = np.array([-1, 0, 1, -1, 1])
    same = np.zeros(5, dtype=np.uint64)
    assert join(5, near_duplicates(same, owners=owners)).tolist() == [0, 0, 1, 0, 1] and not join(5, near_duplicates(same)).any()


def test_the_likest_frame_of_a_lower_rank_is_named() -> None:
    frames = [waves(0), waves(1.5), waves(0.1), waves(0.02)]
    thumbnails = np.stack([thumbnail(frame) for frame in frames])
    values = np.array([dhash(frame) for frame in frames], dtype=np.uint64)
    assert likest_before(values, thumbnails, np.array([0, 0, 0, 1])) == [(0, 3)]
    assert likest_before(values, thumbnails, np.zeros(4, dtype=np.int64)) == []


def test_ten_thousand_frames_need_little_memory() -> None:
    values = hashes(10_000)
    tracemalloc.start()
    near_duplicates(values, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # all pairs at once would take 800 MB


def test_no_frames_and_one_frame_have_no_pairs() -> None:
    assert near_duplicates(hashes(0)) == near_duplicates(hashes(1)) == []


def test_thumbnails_confirm_by_correlation() -> None:
    frames = [waves(0), waves(0.05), waves(1.5)]
    thumbnails = np.stack([thumbnail(frame) for frame in frames])
    vectors = [(t - t.mean(axis=(0, 1))).ravel() for t in thumbnails.astype(float)]
    theirs = [(i, j) for i in range(3) for j in range(i + 1, 3) if np.corrcoef(vectors[i], vectors[j])[0, 1] >= 0.96]
    same_hash = np.zeros(3, dtype=np.uint64)
    assert near_duplicates(same_hash, thumbnails=thumbnails) == theirs == [(0, 1)]


def test_frames_of_one_colour_are_like_no_other() -> None:
    flat = np.stack([np.full((16, 16, 3), value, dtype=np.uint8) for value in (0, 0, 9)])
    assert near_duplicates(np.zeros(3, dtype=np.uint64), thumbnails=flat) == []


def test_join_gives_the_connected_components_in_the_order_of_their_first_frames() -> None:
    import networkx  # torch depends on it

    pairs = [(7, 2), (2, 5), (1, 8), (3, 3)]
    graph = networkx.Graph(pairs)
    graph.add_nodes_from(range(9))
    labels = join(9, pairs)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 1, 2, 3, 4, 2, 5, 2, 1]
    assert all(len(set(labels[list(part)])) == 1 for part in networkx.connected_components(graph))
    assert len(set(labels)) == networkx.number_connected_components(graph)


def test_join_without_pairs_leaves_all_apart() -> None:
    assert join(3, []).tolist() == [0, 1, 2] and join(0, []).tolist() == []


def test_real_video_frames_are_joined_and_different_frames_are_not(real_data: Path) -> None:
    entries = read_source(real_data / "hyperkvasir")
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.group] = sizes.get(entry.group, 0) + 1
    grouped = [entry for entry in entries if sizes[entry.group] > 1 and entry.finding == "polyps"]
    video = [entry for entry in entries if sizes[entry.group] > 4]
    apart = [entry for entry in entries if sizes[entry.group] == 1 and entry.finding == "normal-cecum"][:40]
    chosen = [*grouped, *video, *apart]
    crops = []
    for entry in chosen:
        pixels = to_uint8(read_image(entry.path).pixels)
        crops.append(resize(cut(pixels, square_box(find_field(pixels).box)), 96))
    values = np.array([dhash(crop) for crop in crops], dtype=np.uint64)
    parts = join(len(chosen), near_duplicates(values, thumbnails=np.stack([thumbnail(crop) for crop in crops])))
    one_group = np.array([[a.group == b.group for a in chosen] for b in chosen])
    joined = parts[:, None] == parts[None]
    assert joined[one_group].mean() > 0.98  # recall, each frame with itself among them
    last = len(chosen) - len(apart)
    assert len(set(parts[last:])) == len(apart) and not joined[:last, last:].any()
