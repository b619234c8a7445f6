"""What the standard preparation of a corpus is known to give, and whether this one gives it."""

from collections.abc import Mapping
from typing import Any

# fairseq's own preparation: counts of its preprocess.log, end marks included, and checksums of its
# files. Two independent publications of them agree.
IWSLT14_PAIRS = {"train": 160_239, "valid": 7_283, "test": 6_750}
IWSLT14_SPLITS = {
    "train": (4_035_591, 3_949_114),
    "valid": (182_592, 178_622),
    "test": (161_838, 156_928),
}
IWSLT14_SHA256 = {
    "codes": "3dd02684b6693abce3ba59520425901b0b910abeec2ae6b15cc62e458441d503",
    "dict.de.txt": "52beaf0879ab85d88cf42b76d07f4be1bbdccc0ed68885ddaf9ac01e423cc60d",
    "dict.en.txt": "ead87b2fd44bcdd6c0b33518e31e98ec38826b57e9e28a9255bb29111f71fc50",
}
IWSLT14_JOINED = "e1abc2869b2ec0f07d8e97904cb1ee66b4f3507b6934cc1d55126ab6c5deb8fe"


def differences(content: Mapping[str, Any]) -> list[str] | None:
    """How a prepared corpus (its corpus.json) differs from the published preparation.

    None where none is published for these settings; an empty list where all is equal.
    """
    if (content["name"], content["source"], content["target"]) != ("iwslt14", "de", "en"):
        return None
    expected: dict[str, Any] = {f"{split} pairs": n for split, n in IWSLT14_PAIRS.items()}
    found = {f"{split} pairs": counts["pairs"] for split, counts in content["splits"].items()}
    if content["bpe"] == 10_000:
        digests = dict(IWSLT14_SHA256)
        if content["joined"]:
            digests |= {"dict.de.txt": IWSLT14_JOINED, "dict.en.txt": IWSLT14_JOINED}
        expected |= {f"sha256 of {file}": digest for file, digest in digests.items()}
        found |= {f"sha256 of {file}": digest for file, digest in content["sha256"].items()}
        for split, tokens in IWSLT14_SPLITS.items():
            for side, count in zip(("source", "target"), tokens, strict=True):
                expected[f"{split} {side} tokens"] = count
                found[f"{split} {side} tokens"] = content["splits"][split][f"{side}_tokens"]
    return [
        f"{key} is {found.get(key)}, published is {value}"
        for key, value in expected.items()
        if found.get(key) != value
    ]
