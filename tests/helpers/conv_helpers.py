"""Rows of convolutions: representative geometries, and random ones."""

from core_helpers import rng_of


def conv(shape, filters, kernel, strides=(1, 1), dilation=(1, 1), pads=(0, 0), out=None, **changes):
    """A row; without `out`, as many windows as fit into the map, padded by `pads` on both sides."""
    axes = list(zip(shape[:2], kernel, strides, dilation, pads, strict=True))
    out = out or [(n + 2 * pad - d * (k - 1) - 1) // s + 1 for n, k, s, d, pad in axes]
    row = {"kind": "conv2d", "channels": shape[2], "filters": filters, "use_bias": True, "group": filters}
    for i, axis in enumerate(["height", "width"]):
        row |= {axis: shape[i], f"kernel_{axis}": kernel[i], f"stride_{axis}": strides[i]}
        row |= {f"dilation_{axis}": dilation[i], f"out_{axis}": out[i]}
    row |= {"pad_top": pads[0], "pad_left": pads[1], "activation": "linear", "alpha": 0.0}
    return row | {f"{p}_{n}": 0.0 for p in ("kernel", "bias") for n in ("l1", "l2")} | changes


CASES = {
    "one pixel": conv((1, 1, 1), 1, (1, 1)),
    "pointwise": conv((5, 7, 33), 34, (1, 1)),
    "pointwise, strides": conv((7, 5, 3), 4, (1, 1), strides=(2, 3)),
    "first layer": conv((12, 12, 1), 16, (3, 3)),
    "first layer, padded": conv((9, 11, 1), 10, (5, 5), pads=(2, 2)),
    "colours": conv((13, 13, 3), 32, (7, 7), strides=(2, 2), pads=(3, 3)),
    "16 channels": conv((9, 9, 16), 16, (3, 3)),
    "17 channels": conv((6, 6, 17), 33, (3, 3), pads=(1, 1)),
    "64 channels": conv((4, 4, 64), 64, (3, 3), pads=(1, 1)),
    "one row": conv((1, 20, 10), 3, (1, 4), pads=(0, 2)),
    "one column": conv((20, 1, 10), 3, (4, 1), pads=(2, 0)),
    "tall window": conv((6, 5, 2), 3, (4, 2), pads=(3, 0)),
    "window wider than the map": conv((2, 2, 5), 6, (5, 5), pads=(2, 2)),
    "dilated": conv((9, 10, 4), 5, (3, 3), dilation=(2, 3), pads=(2, 3)),
    "dilated beyond the map": conv((3, 2, 4), 5, (3, 3), dilation=(4, 2), pads=(4, 2)),
    "strides and dilation": conv((11, 12, 3), 2, (3, 4), strides=(3, 2), dilation=(2, 2), pads=(1, 1)),
    "strides beyond the window": conv((10, 10, 2), 3, (2, 2), strides=(4, 3)),
    "padding beyond the window": conv((2, 3, 2), 3, (2, 2), pads=(4, 3)),
    "cut off": conv((6, 6, 2), 3, (2, 2), pads=(-1, -2), out=(3, 2)),
    "more on one side": conv((6, 5, 18), 20, (2, 2), pads=(0, 1), out=(6, 7)),
    "many channels": conv((3, 3, 70), 100, (2, 2)),
    "many images": conv((2, 2, 20), 40, (2, 2), pads=(1, 1)),
    "2 groups": conv((7, 5, 6), 4, (3, 3), pads=(1, 1), groups=2),
    "3 groups, strides": conv((9, 7, 9), 15, (3, 2), strides=(2, 1), pads=(1, 0), groups=3),
    "groups across panels": conv((4, 3, 72), 120, (2, 2), pads=(1, 0), groups=3),
    "groups of a panel": conv((3, 5, 8), 128, (2, 3), groups=4),
    "groups of one filter": conv((5, 5, 40), 20, (3, 2), pads=(0, 1), groups=20),
    "pointwise, groups": conv((5, 3, 12), 18, (1, 1), groups=6),
    "dilated, groups": conv((9, 10, 4), 6, (3, 3), dilation=(2, 3), pads=(2, 3), groups=2),
    "one row, groups": conv((1, 19, 10), 15, (1, 4), pads=(0, 2), groups=5),
    "depthwise": conv((7, 9, 37), 37, (3, 3), pads=(1, 1), groups=37),
    "depthwise, 64 channels": conv((5, 5, 64), 64, (3, 3), strides=(2, 2), pads=(1, 1), groups=64),
    "depthwise, 3 filters each": conv((5, 7, 13), 39, (3, 2), groups=13),
    "depthwise, dilated": conv((9, 8, 5), 5, (3, 3), dilation=(2, 3), pads=(2, 3), groups=5),
    "depthwise, strides and dilation": conv(
        (11, 12, 3), 3, (3, 4), strides=(3, 2), dilation=(2, 2), pads=(1, 1), groups=3
    ),
    "five positions": conv((5, 7, 17), 20, (2, 5)),
    "a long row of the window": conv((3, 4, 140), 17, (1, 3)),
    "large operands": conv((7, 7, 2), 512, (1, 1)),
}


def random_case(seed):
    rng = rng_of(seed)

    def pair(*choices):
        return tuple(int(n) for n in rng.choice(choices, 2))

    shape = (*pair(*range(1, 10)), int(rng.choice([1, 2, 3, 4, 10, 16, 17, 33])))
    kernel, strides, dilation = pair(1, 2, 3, 5), pair(1, 1, 2, 3), pair(1, 1, 2, 3)
    spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    pads = tuple(int(rng.integers(0, span + 1)) for span in spans)
    ends = [n + 2 * pad - span for n, pad, span in zip(shape, pads, spans, strict=False)]
    out = [max(1, (n - 1) // s + 1) for n, s in zip(ends, strides, strict=True)]
    filters = int(rng.choice([1, 3, 10, 16, 17, 32, 40]))
    groups = [1, int(rng.integers(2, 5)), shape[2]][seed % 3]  # one; a few; depthwise
    if seed % 3 == 1:
        shape, filters = (*shape[:2], groups * min(shape[2], 17)), groups * min(filters, 17)
    if seed % 3 == 2:
        filters = groups * int(rng.integers(1, 4))
    return conv(shape, filters, kernel, strides, dilation, pads, out, groups=groups)


def size_in(row):
    return row["height"] * row["width"] * row["channels"]
