"""PyTorch modules for nnc layers without an equivalent in torch.nn. Imports torch."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

torch: Any = importlib.import_module("torch")
functional: Any = torch.nn.functional


class Rescaling(torch.nn.Module):
    """a = scale x + offset."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Any) -> Any:
        return x * self.scale + self.offset

    def extra_repr(self) -> str:
        return f"scale={self.scale}, offset={self.offset}"


class Permute(torch.nn.Module):
    """A permutation of a sample's axes: axis i of the output is axis order[i] of the input."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = tuple(order)

    def forward(self, x: Any) -> Any:
        return x.permute(0, *(axis + 1 for axis in self.order))

    def extra_repr(self) -> str:
        return f"{self.order}"


class PermuteAxes(Permute):
    """nnc's layer Permute; the base class only changes the layout of images."""


class ChannelsLast(torch.nn.Module):
    """A module that takes images (n, H, W, C), in a net of images (n, C, H, W)."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Any) -> Any:
        return self.module(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ChannelsFirst(torch.nn.Module):
    """A module that takes sequences (n, C, L), in a net of sequences (n, L, C)."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Any) -> Any:
        return self.module(x.movedim(-1, 1)).movedim(1, -1)


class LastAxis(torch.nn.Module):
    """A module for (n, C), applied to the last axis of samples with several axes."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Any) -> Any:
        return self.module(x.reshape(-1, x.shape[-1])).reshape(x.shape)


class UnitNormalization(torch.nn.Module):
    """a = x / max(|x|, 1e-6), |x| the Euclidean norm along the last `axes` axes."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Any) -> Any:
        norm = torch.linalg.vector_norm(x, dim=tuple(range(-self.axes, 0)), keepdim=True)
        return x / norm.clamp_min(1e-6)

    def extra_repr(self) -> str:
        return f"axes={self.axes}"


class FeaturePReLU(torch.nn.Module):
    """a = max(x, 0) + weight min(x, 0), a slope for each feature of a sample."""

    def __init__(self, weight: Any) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x: Any) -> Any:
        return torch.where(x > 0, x, self.weight * x)


class Exponential(torch.nn.Module):
    """a = exp(x)."""

    def forward(self, x: Any) -> Any:
        return x.exp()


class ThresholdedReLU(torch.nn.Module):
    """a = min(x, max_value) if x > threshold, else negative_slope (x - threshold)."""

    def __init__(self, max_value: float | None, negative_slope: float, threshold: float) -> None:
        super().__init__()
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def forward(self, x: Any) -> Any:
        below = self.negative_slope * (x - self.threshold)
        return torch.where(x > self.threshold, x.clamp(max=self.max_value or math.inf), below)

    def extra_repr(self) -> str:
        slope, threshold = self.negative_slope, self.threshold
        return f"max_value={self.max_value}, negative_slope={slope}, threshold={threshold}"


class Standardization(torch.nn.Module):
    """a = (x - center) scale + offset, each with the shape of a sample or one that broadcasts to it."""

    def __init__(self, center: Any, scale: Any, offset: Any) -> None:
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)

    def forward(self, x: Any) -> Any:
        return (x - self.center) * self.scale + self.offset

    def extra_repr(self) -> str:
        return f"shape={tuple(self.center.shape)}"


class SamePooling2d(torch.nn.Module):
    """Pooling with padding="same": ceil(in / stride) windows along an axis, clipped to the image.

    The padding that the windows need is divided evenly between the two sides, with an odd pixel below and on
    the right. kind is "max" or "average", the mean over the pixels inside.
    """

    def __init__(self, kind: str, kernel_size: Sequence[int], stride: Sequence[int]) -> None:
        super().__init__()
        self.kind, self.kernel_size, self.stride = kind, tuple(kernel_size), tuple(stride)

    def forward(self, x: Any) -> Any:
        pads: list[int] = []
        for length, size, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((-(-length // stride) - 1) * stride + size - length, 0)
            pads = [total // 2, total - total // 2, *pads]  # the last axis comes first
        if self.kind == "max":
            padded = functional.pad(x, pads, value=-torch.inf)
            return functional.max_pool2d(padded, self.kernel_size, self.stride)
        sums = functional.avg_pool2d(functional.pad(x, pads), self.kernel_size, self.stride)
        ones = functional.pad(torch.ones_like(x[:1, :1]), pads)
        return sums / functional.avg_pool2d(ones, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        return f"{self.kind!r}, kernel_size={self.kernel_size}, stride={self.stride}"
