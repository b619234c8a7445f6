"""Images where the network is: bytes, cropped and flipped there, and given as normalised floats."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.data.images import Split
from vision.data.prepared import Prepared
from workload import counter


@dataclass(frozen=True)
class DeviceImages:
    """One split on a device.

    Attributes:
        pixels: [N, H + 2*pad, W + 2*pad, 3] uint8, with `pad` rows and columns of black around.
        labels: [N] int64.
        pad: how far a crop may be from the middle.
        mean, std: [3] float32 of red, green and blue, in bytes.
    """

    pixels: Tensor
    labels: Tensor
    pad: int
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, split: Split, prepared: Prepared, pad: int, device: torch.device) -> "DeviceImages":
        """A split's images, moved once."""
        pixels = torch.from_numpy(split.images).to(device)
        padded = torch.nn.functional.pad(pixels, (0, 0, pad, pad, pad, pad))
        mean, std = (torch.tensor(each, device=device) for each in (prepared.mean, prepared.std))
        return cls(padded, torch.from_numpy(split.labels).to(device), pad, mean, std)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def side(self) -> tuple[int, int]:
        """Height and width of an image without what is around."""
        height, width = self.pixels.shape[1:3]
        return height - 2 * self.pad, width - 2 * self.pad

    def sample(self, count: int) -> Tensor:
        """Places of at most `count` of the images, int64, always the same ones and in no order:
        images often lie class by class."""
        stream = counter.stream(0, counter.SAMPLE)
        return counter.permutation(stream, len(self), self.labels.device)[:count]

    def middle(self, places: Tensor) -> Tensor:
        """Images as they are, [B, 3, H, W] float32 normalised; `places` is int64 [B]."""
        height, width = self.side
        rows, columns = slice(self.pad, self.pad + height), slice(self.pad, self.pad + width)
        return self._normalised(self.pixels[places, rows, columns])

    def augmented(self, places: Tensor, stream: int | Tensor, *, flip: bool) -> Tensor:
        """Images cropped at random and mirrored half of the time, else like `middle`.

        Image i is shifted by up to `pad` pixels either way and mirrored by bits of its own: number
        i of the stream, whatever batch it is in.

        Args:
            places: int64 [B].
            stream: of `counter.stream`, another for each seed and epoch; see `counter.bits`.
            flip: whether to mirror.
        """
        height, width = self.side
        # every window of every image, as a view: [N, 2*pad + 1, 2*pad + 1, H, W, 3]
        windows = self.pixels.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)
        numbers = counter.bits(stream, places)
        top = counter.below(numbers, 0, 2 * self.pad + 1)
        left = counter.below(numbers, 20, 2 * self.pad + 1)
        pixels = windows[places, top, left]
        if flip:
            mirrored = (numbers < 0)[:, None, None, None]
            pixels = torch.where(mirrored, pixels.flip(2), pixels)
        return self._normalised(pixels)

    def _normalised(self, pixels: Tensor) -> Tensor:
        """[B, H, W, 3] uint8 -> [B, 3, H, W] float32, (x - mean) / std."""
        return ((pixels - self.mean) / self.std).permute(0, 3, 1, 2)


def shuffled(labels: Tensor, seed: int) -> Tensor:
    """The labels in another order, one for each seed: each class keeps its number of images."""
    return labels[
        counter.permutation(counter.stream(seed, counter.LABELS), len(labels), labels.device)
    ]
