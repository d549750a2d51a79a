"""The names that masks and their folders have, and the names of images that each may belong to."""

from __future__ import annotations

import re

from medgen.data.tree.class_names import normalised_name

KINDS = r"(masks?|ground-?truths?|gts?|labels?|annotations?|segmentations?|segs?|manuals?)"
FOLDER = re.compile(
    rf"((binary|bin|lesion|polyp|tumou?r|image|img|\d(st|nd|rd))-)?{KINDS}(tr|ts|va|val)?(-?(train|test|val|tr|ts|(c|seq)?\d+))?"
    rf"|.*-(masks?|ground-?truths?|gts?|segmentations?)"  # ISIC2018_Task1_Training_GroundTruth, lesion_masks
    rf"|(masks?|gts?|segmentations?|ground-?truths?)-.*"  # masks_C1, mask_png
    rf"|{KINDS}-?(images?|imgs?|frames?)"
)
STRONG = r"masks?|segmentations?|segs?|gts?|ground[-_ ]?truths?"  # whole folders of such names are folders of masks
SUFFIX = re.compile(
    rf"(?P<name>.+?)[-_ .]?(?<=[-_ .])({STRONG}|labels?|lesions?|annotations?|roi|anno)([-_ ]?\d+)?", re.IGNORECASE
)
STRONG_SUFFIX = re.compile(rf".+[-_ .]({STRONG})([-_ ]?\d+)?", re.IGNORECASE)
PREFIX = re.compile(rf"({STRONG}|labels?)[-_ ](?P<name>.+)", re.IGNORECASE)  # segmentation-12 of volume-12
OF_IMAGES = re.compile(
    r"((volume|image|img|frame|orig)[-_ ])?(?P<name>.+?)([-_ ](image|img|frame|orig|original))?", re.IGNORECASE
)


def is_mask_folder(name: str) -> bool:
    """Tell a folder called after masks: mask, masks_C1, Ground Truth, GT, labelsTr, ISIC2018_Task1_Training_GroundTruth."""
    return FOLDER.fullmatch(normalised_name(name)) is not None


def is_named_mask(stem: str) -> bool:
    """Tell a name that ends as those of masks do and those of images hardly: a_mask, a_segmentation, a_seg, a_gt."""
    return STRONG_SUFFIX.fullmatch(stem) is not None


def image_of(stem: str) -> str:
    """Return the name of the image that a mask in the same folder belongs to (a of a_mask_1, a_lesion), or ''."""
    match = SUFFIX.fullmatch(stem)
    return match["name"].rstrip("-_ .") if match else ""


def mask_keys(stem: str) -> list[str]:
    """Return the names under which a mask is looked for, the likeliest first: its own, without its suffix, without its prefix."""
    prefixed = PREFIX.fullmatch(stem)
    keys = [stem, image_of(stem), prefixed["name"] if prefixed else ""]
    return list(dict.fromkeys(key.lower() for key in keys if key))


def image_keys(stem: str) -> list[str]:
    """Return the names that the mask of an image may have, the likeliest first: the image's own, and without image_ or _image."""
    match = OF_IMAGES.fullmatch(stem)
    return list(dict.fromkeys(key.lower() for key in (stem, match["name"] if match else "") if key))
