"""Operations as C99 in float32: one function here for each class of operation.

Products are computed in panels of 16 outputs. The weights of a panel are (K, 16), one row for each input: an
input is loaded once for 16 products and the sums stay in registers. Inputs that are 0 (in images, after a
relu) are skipped. Every 64 terms are summed separately, which keeps rounding errors small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnc.export import operations as ops
from nnc.export.ctext import Table, fill, literal
from nnc.export.program import Step

PANEL = 16

# Expressions in z; alpha is the parameter. All of them propagate NaN.
ACTIVATIONS = {
    "relu": "z < 0.0f ? 0.0f : z",
    "leaky_relu": "z < 0.0f ? $alpha * z : z",
    "elu": "z < 0.0f ? $alpha * expm1f(z) : z",
    "selu": "1.05070098f * (z < 0.0f ? 1.67326324f * expm1f(z) : z)",
    "gelu": "0.5f * z * erfcf(-0.707106781f * z)",
    "gelu_tanh": "0.5f * z * (1.0f + tanhf(0.797884561f * (z + 0.044715f * z * z * z)))",
    "silu": "z / (1.0f + expf(-z))",
    "sigmoid": "1.0f / (1.0f + expf(-z))",
    "tanh": "tanhf(z)",
    "softplus": "(z < 0.0f ? 0.0f : z) + log1pf(expf(-fabsf(z)))",
    "mish": "z * tanhf((z < 0.0f ? 0.0f : z) + log1pf(expf(-fabsf(z))))",
    "softsign": "z / (1.0f + fabsf(z))",
    "hard_sigmoid": "z < -3.0f ? 0.0f : z > 3.0f ? 1.0f : z * 0.166666667f + 0.5f",
    "capped_relu": "z < 0.0f ? 0.0f : z > $alpha ? $alpha : z",
    "exponential": "expf(z)",
    "log_sigmoid": "(z < 0.0f ? z : 0.0f) - log1pf(expf(-fabsf(z)))",
    "hard_silu": "z < -3.0f ? 0.0f : z > 3.0f ? z : z * (z + 3.0f) * 0.166666667f",
    "hard_tanh": "z < -1.0f ? -1.0f : z > 1.0f ? 1.0f : z",
    "celu": "z < 0.0f ? $alpha * expm1f(z / $alpha) : z",
    "soft_shrink": "z > $alpha ? z - $alpha : z < -$alpha ? z + $alpha : z != z ? z : 0.0f",
    "hard_shrink": "z <= $alpha && z >= -$alpha ? 0.0f : z",
}


def steps(operations: Sequence[ops.Operation], prefix: str, input_shape: tuple[int, ...]) -> list[Step]:
    """The steps of inference operations; an activation is fused into the product before it."""
    found: list[Step] = []
    queue = [operation for operation in operations if not isinstance(operation, ops.Reshape)]
    while queue:
        operation, number = queue.pop(0), len(found) + 1
        follows = queue[0] if queue else None
        if (
            isinstance(operation, (ops.Dense, ops.Convolution))
            and isinstance(follows, ops.Activation)
            and follows.elementwise
        ):
            found.append(PRODUCTS[type(operation)](prefix, number, operation, queue.pop(0)))
        else:
            found.append(FUNCTIONS[type(operation)](prefix, number, operation))
    if not found:  # no layer, or none that does anything in inference
        shape = operations[-1].output_shape if operations else input_shape
        found.append(copy(shape))
    return found


def copy(shape: tuple[int, ...], ctype: str = "float") -> Step:
    """y = x."""
    body = f"for (int i = 0; i < {math.prod(shape)}; i++)\n    y[i] = x[i];\n"
    return Step("copy", "", "y = x", body, shape, in_place=True, ctype=ctype)


# ------------------------------------------------------------------------------------------------ activations


class Elementwise:
    """An activation in C: a function in the file, and calls to it."""

    def __init__(self, prefix: str, operation: ops.Activation | None) -> None:
        self.name = operation.function if operation is not None else "linear"
        self.helpers: tuple[str, ...] = ()
        if operation is not None and self.name != "linear":
            alpha = literal(operation.alpha)
            # The parameter is part of the name, since it may differ between layers.
            self.name += f"_{alpha[:-1]}" if "$alpha" in ACTIVATIONS[operation.function] else ""
            self.function = f"{prefix}_{_word(self.name)}"
            formula = fill(ACTIVATIONS[operation.function], alpha=alpha)
            self.helpers = (f"static float {self.function}(float z)\n{{\n    return {formula};\n}}\n",)

    def __call__(self, z: str) -> str:
        return f"{self.function}({z})" if self.helpers else z

    @property
    def suffix(self) -> str:
        """The activation's name for the header comment of the file."""
        return f", {self.name.replace('_', ' ') if self.helpers else ''}" if self.helpers else ""


def _word(name: str) -> str:
    return name.replace(".", "p").replace("-", "m").replace("+", "")


def _activation(prefix: str, number: int, operation: ops.Activation) -> Step:
    n, layer, shape = operation.n_outputs, operation.layer, operation.output_shape
    if not operation.elementwise:
        name, whole = operation.function, operation.group == n
        body = fill(_ROWS + ROW_ACTIVATIONS[name] + "}\n", n=n, group=operation.group)
        return Step(f"{name}_{number}", layer, name, body, shape, in_place=True, scores=whole)
    f = Elementwise(prefix, operation)
    body = f"for (int i = 0; i < {n}; i++)\n    y[i] = {f('x[i]')};\n"
    return Step(f"activation_{number}", layer, f.suffix[2:], body, shape, in_place=True, helpers=f.helpers)


_ROWS = """\
for (int first = 0; first < $n; first += $group) {
    const float *in = x + first;
    float *out = y + first, largest = in[0], sum = 0.0f;
    for (int i = 1; i < $group; i++)
        if (in[i] > largest || in[i] != in[i])
            largest = in[i];
"""

# Activations of rows: `in` are the values of a row, `largest` is the largest of them, `sum` is 0.
ROW_ACTIVATIONS = {
    "softmax": """\
    for (int i = 0; i < $group; i++) {
        out[i] = expf(in[i] - largest);
        sum += out[i];
    }
    for (int i = 0; i < $group; i++)
        out[i] /= sum;
""",
    "log_softmax": """\
    for (int i = 0; i < $group; i++)
        sum += expf(in[i] - largest);
    sum = logf(sum);
    for (int i = 0; i < $group; i++)
        out[i] = in[i] - largest - sum;
""",
}


def _prelu(prefix: str, number: int, operation: ops.PReLU) -> Step:
    alpha = Table(f"{prefix}_alpha_{number}", "float", operation.alpha)
    loop, i = along(operation.n_outputs, len(operation.alpha))
    body = f"{loop}y[{i}] = x[{i}] < 0.0f ? NNC_FLOAT({alpha.name} + j) * x[{i}] : x[{i}];\n"
    return Step(
        f"prelu_{number}", operation.layer, "PReLU", body, operation.output_shape, True, tables=(alpha,)
    )


def along(n: int, period: int) -> tuple[str, str]:
    """The loops over n values and over the `period` entries j of a table, and the index of a value."""
    loops = f"for (int i = 0; i < {n}; i += {period})\n    for (int j = 0; j < {period}; j++)\n        "
    return loops, "i + j"


def _thresholded_relu(prefix: str, number: int, operation: ops.ThresholdedReLU) -> Step:
    slope, threshold = literal(operation.slope), literal(operation.threshold)
    below = f"{slope} * (z - {threshold})" if operation.slope else "z != z ? z : 0.0f"
    most = "z" if operation.most is None else "z > $most ? $most : z"
    above = fill(most, most=literal(operation.most)) if operation.most is not None else most
    body = f"for (int i = 0; i < {operation.n_outputs}; i++) {{\n    const float z = x[i];\n"
    body += f"    y[i] = z > {threshold} ? ({above}) : ({below});\n}}\n"
    name, shape = f"activation_{number}", operation.output_shape
    return Step(name, operation.layer, "thresholded relu", body, shape, in_place=True)


# --------------------------------------------------------------------------------------------------- products


def panels(kernel: np.ndarray, groups: int = 1, width: int = PANEL) -> np.ndarray:
    """A kernel (K, O) as consecutive panels (K, width); the last one of each group may be narrower."""
    parts = [
        part[:, at : at + width]
        for part in np.split(kernel, groups, axis=1)
        for at in range(0, part.shape[1], width)
    ]
    return np.concatenate([part.reshape(-1) for part in parts])


def cuts(operation: ops.Dense | ops.Convolution, width: int = PANEL) -> list[tuple[str, str, int]]:
    """(first output, stop, width) of the panels of a group g: a range of those with full width, then the
    narrow one.
    """
    n = operation.kernel.shape[-1] // operation.groups
    group = f"g * {n} + " if operation.groups > 1 else ""
    runs = (0, n // width * width, width), (n // width * width, n, n % width)
    return [(f"{group}{start}", f"{group}{stop}", columns) for start, stop, columns in runs if start < stop]


def _add(prefix: str, width: int) -> str:
    """The micro-kernel: one panel's sums over n inputs."""
    names = [f"s{j}" for j in range(width)]
    zeros, adds, ends = (
        [form.format(s=name, j=j) for j, name in enumerate(names)]
        for form in ("{s} = 0.0f", "{s} += v * NNC_FLOAT(w + {j});", "sums[{j}] += {s};")
    )
    texts = {"zeros": lines(zeros, ",", 14), "adds": lines(adds, "", 12), "ends": lines(ends, "", 8)}
    return fill(_ADD, p=prefix, width=width, **texts)


def lines(items: list[str], separator: str, indent: int) -> str:
    """Join items, four per line."""
    rows = [f"{separator} ".join(items[at : at + 4]) for at in range(0, len(items), 4)]
    return f"{separator}\n{' ' * indent}".join(rows)


_ADD = """\
/* sums[j] += x[0] w[0][j] + ... + x[n - 1] w[n - 1][j], w (n, $width) */
static void ${p}_add_$width(const float *x, int n, const float *w, float *sums)
{
    while (n > 0) {
        const int part = n < 64 ? n : 64;
        float $zeros;
        for (int k = 0; k < part; k++, w += $width) {
            const float v = x[k];
            if (v == 0.0f)
                continue;
            $adds
        }
        $ends
        x += part;
        n -= part;
    }
}
"""

_DENSE = """\
for (int o = $start; o < $stop; o += $width) {
    float sums[$width];
    for (int j = 0; j < $width; j++)
        sums[j] = $bias;
    ${p}_add_$width(x, $n, $kernel + $n * o, sums);
    for (int j = 0; j < $width; j++)
        y[o + j] = $store;
}
"""


def _product_tables(prefix: str, number: int, operation: Any) -> tuple[tuple[Table, ...], str]:
    """The tables of a product, and the expression for the bias of output o + j."""
    kernel = operation.kernel.reshape(-1, operation.kernel.shape[-1])
    tables = [Table(f"{prefix}_kernel_{number}", "float", panels(kernel, operation.groups))]
    if operation.bias is None:
        return tuple(tables), "0.0f"
    tables.append(Table(f"{prefix}_bias_{number}", "float", operation.bias))
    return tuple(tables), f"NNC_FLOAT({tables[1].name} + o + j)"


def _dense(prefix: str, number: int, operation: ops.Dense, activation: ops.Activation | None = None) -> Step:
    tables, bias = _product_tables(prefix, number, operation)
    f, runs = Elementwise(prefix, activation), cuts(operation)
    body = "".join(
        fill(
            _DENSE,
            p=prefix,
            start=start,
            stop=stop,
            width=width,
            n=operation.n_inputs,
            bias=bias,
            kernel=tables[0].name,
            store=f("sums[j]"),
        )
        for start, stop, width in runs
    )
    return Step(
        f"dense_{number}",
        operation.layer,
        f"dense {operation.n_inputs} -> {operation.n_outputs}{f.suffix}",
        body,
        operation.output_shape,
        multiply_adds=operation.multiply_adds,
        tables=tables,
        helpers=(*(_add(prefix, width) for *_, width in runs), *f.helpers),
    )


# --------------------------------------------------------------------------------------------------- windows


_PIXELS = """\
for (int oy = 0; oy < $oh; oy++)
    for (int ox = 0; ox < $ow; ox++) {
        const int iy = oy * $sh - $pt, ix = ox * $sw - $pl;
$inner    }
"""

_CONVOLUTION = """\
for (int o = $start; o < $stop; o += $width) {
    float sums[$width];
    for (int j = 0; j < $width; j++)
        sums[j] = $bias;
$window    for (int j = 0; j < $width; j++)
        y[(oy * $ow + ox) * $filters + o + j] = $store;
}
"""


def pixels(operation: ops.Convolution | ops.Pooling, inner: str) -> str:
    """The loop over the output pixels, whose windows begin at row iy, column ix."""
    (sh, sw), (pt, pl) = operation.window.strides, operation.window.pads
    oh, ow = operation.output_shape[:2]
    text = fill(_PIXELS, oh=oh, ow=ow, sh=sh, sw=sw, pt=pt, pl=pl, inner="@")
    return text.replace("@", "".join(f"        {line}\n" for line in inner.splitlines()))


def group_loop(operation: ops.Convolution, body: str) -> str:
    """`body` for each group g."""
    if operation.groups == 1:
        return body
    inner = "".join(f"    {line}\n" for line in body.splitlines())
    return f"for (int g = 0; g < {operation.groups}; g++) {{\n{inner}}}\n"


def window_words(operation: ops.Convolution) -> str:
    """What a convolution is, for the header comment of the file."""
    (kh, kw), groups = operation.window.size, operation.groups
    what = f"convolution {kh} x {kw}, {operation.input_shape[-1]} -> {operation.kernel.shape[-1]}"
    return f"{what} in {groups} groups" if groups > 1 else what


def window_loop(operation: ops.Convolution, call: Callable[[str, str, str], str]) -> tuple[str, str]:
    """The statements before the loops over outputs, and the loop over the window's positions inside the map.

    call(x, n, k) is the statement for n consecutive values from x on, where the first is multiplied by row k
    of the kernel (KH KW C / G, O). Adjacent positions are a single call, unless the kernel is dilated or has
    groups.
    """
    (kh, kw), (dh, dw) = operation.window.size, operation.window.dilation
    height, width, channels = operation.input_shape
    apart = dw > 1 or operation.groups > 1
    inside = not operation.window.leaves(operation.input_shape, operation.output_shape)
    before = "" if inside else fill(_FIRST_LAST, dw=dw, kw=kw, width=width)
    first, last = ("0", str(kw)) if inside else ("first", "last")
    row = "iy + ky" if dh == 1 else f"iy + ky * {dh}"
    lines = [f"for (int ky = 0; ky < {kh}; ky++) {{", f"    const int row = {row};"]
    if not inside:
        lines += [f"    if (row < 0 || row >= {height} || first >= last)", "        continue;"]
    if not apart and inside:
        x, n, k = f"x + (row * {width} + ix) * {channels}", str(kw * channels), f"ky * {kw * channels}"
        lines.append(f"    {call(x, n, k)}")
    elif not apart:
        x, n = f"x + (row * {width} + ix + first) * {channels}", f"(last - first) * {channels}"
        lines.append(f"    {call(x, n, f'(ky * {kw} + first) * {channels}')}")
    else:
        of_group = operation.kernel.shape[2]
        lines.append(f"    for (int kx = {first}; kx < {last}; kx++)")
        x = f"x + (row * {width} + ix + {'kx' if dw == 1 else f'kx * {dw}'}) * {channels}"
        x += f" + g * {of_group}" if operation.groups > 1 else ""
        lines.append(f"        {call(x, str(of_group), f'(ky * {kw} + kx) * {of_group}')}")
    return before, "".join(f"{line}\n" for line in [*lines, "}"])


_FIRST_LAST = """\
const int first = ix < 0 ? (-ix + $dw - 1) / $dw : 0; /* kernel columns inside the map */
const int beyond = ($width - ix + $dw - 1) / $dw, last = beyond < $kw ? beyond : $kw;
"""


def _convolution(
    prefix: str, number: int, operation: ops.Convolution, activation: ops.Activation | None = None
) -> Step:
    tables, bias = _product_tables(prefix, number, operation)
    f, runs = Elementwise(prefix, activation), cuts(operation)
    n_positions, filters = math.prod(operation.kernel.shape[:3]), operation.kernel.shape[-1]
    inner = before = ""
    for start, stop, width in runs:

        def call(x: str, n: str, k: str, width: int = width) -> str:
            kernel = f"{tables[0].name} + {n_positions} * o + ({k}) * {width}"
            return f"{prefix}_add_{width}({x}, {n}, {kernel}, sums);"

        before, loop = window_loop(operation, call)
        text = fill(
            _CONVOLUTION,
            start=start,
            stop=stop,
            width=width,
            bias=bias,
            ow=operation.output_shape[1],
            filters=filters,
            store=f("sums[j]"),
            window="@",
        )
        inner += text.replace("@", "".join(f"    {line}\n" for line in loop.splitlines()))
    return Step(
        f"convolution_{number}",
        operation.layer,
        f"{window_words(operation)}{f.suffix}",
        pixels(operation, before + group_loop(operation, inner)),
        operation.output_shape,
        multiply_adds=operation.multiply_adds,
        tables=tables,
        helpers=(*(_add(prefix, width) for *_, width in runs), *f.helpers),
    )


INSIDE = """\
const int top = iy < 0 ? 0 : iy, bottom = iy + $kh < $height ? iy + $kh : $height;
const int left = ix < 0 ? 0 : ix, right = ix + $kw < $width ? ix + $kw : $width;
"""

_MAX = """\
float *out = y + (oy * $ow + ox) * $channels;
for (int c = 0; c < $channels; c++)
    out[c] = x[(top * $width + left) * $channels + c];
for (int row = top; row < bottom; row++)
    for (int column = left; column < right; column++) {
        const float *in = x + (row * $width + column) * $channels;
        for (int c = 0; c < $channels; c++)
            if (in[c] > out[c] || in[c] != in[c])
                out[c] = in[c];
    }
"""

_AVERAGE = """\
float *out = y + (oy * $ow + ox) * $channels;
const float n = (float)((bottom - top) * (right - left));
for (int c = 0; c < $channels; c++)
    out[c] = 0.0f;
for (int row = top; row < bottom; row++)
    for (int column = left; column < right; column++) {
        const float *in = x + (row * $width + column) * $channels;
        for (int c = 0; c < $channels; c++)
            out[c] += in[c];
    }
for (int c = 0; c < $channels; c++)
    out[c] /= n;
"""


def pooling_body(operation: ops.Pooling, text: str, **more: object) -> str:
    """The statements of a pooling: `text` for each output pixel, its window clipped to the map."""
    height, width, channels = operation.input_shape
    kh, kw = operation.window.size
    sizes = {"height": height, "width": width, "channels": channels, "kh": kh, "kw": kw}
    return pixels(operation, fill(INSIDE + text, **sizes, ow=operation.output_shape[1], **more))


def pooling_words(operation: ops.Pooling) -> str:
    return f"{operation.kind} pooling {operation.window.size[0]} x {operation.window.size[1]}"


def _pooling(prefix: str, number: int, operation: ops.Pooling) -> Step:
    body = pooling_body(operation, _MAX if operation.kind == "max" else _AVERAGE)
    name, what = f"pooling_{number}", pooling_words(operation)
    return Step(name, operation.layer, what, body, operation.output_shape)


ZERO_PADDING = """\
for (int i = 0; i < $n; i++)
    y[i] = $zero;
for (int row = 0; row < $height; row++)
    for (int i = 0; i < $run; i++)
        y[((row + $top) * $out_width + $left) * $channels + i] = x[row * $run + i];
"""


def zero_padding_body(operation: ops.ZeroPadding, zero: str) -> str:
    height, width, channels = operation.input_shape
    return fill(
        ZERO_PADDING,
        n=operation.n_outputs,
        zero=zero,
        height=height,
        run=width * channels,
        channels=channels,
        out_width=operation.output_shape[1],
        top=operation.pads[0],
        left=operation.pads[1],
    )


def _zero_padding(prefix: str, number: int, operation: ops.ZeroPadding) -> Step:
    body = zero_padding_body(operation, "0.0f")
    return Step(f"padding_{number}", operation.layer, "zero padding", body, operation.output_shape)


# ------------------------------------------------------------------------------------------- permutations


def permute_body(operation: ops.Permute) -> str:
    """Loops over the axes of y, in order."""
    strides = [math.prod(operation.input_shape[axis + 1 :]) for axis in operation.order]
    names = [f"i{axis}" for axis in range(len(strides))]
    lines = [
        f"{'    ' * depth}for (int {name} = 0; {name} < {size}; {name}++)"
        for depth, (name, size) in enumerate(zip(names, operation.output_shape, strict=True))
    ]
    place = " + ".join(f"{name} * {stride}" for name, stride in zip(names, strides, strict=True))
    return "\n".join([*lines, f"{'    ' * len(lines)}*y++ = x[{place}];"]) + "\n"


def _permute(prefix: str, number: int, operation: ops.Permute) -> Step:
    body = permute_body(operation)
    return Step(f"permute_{number}", operation.layer, "permuted axes", body, operation.output_shape)


# ------------------------------------------------------------------------------------------------ scales


def _affine(prefix: str, number: int, operation: ops.Affine) -> Step:
    n, period = operation.n_outputs, len(operation.scale)
    values = {"scale": operation.scale, "center": operation.center, "offset": operation.offset}
    if not operation.center.any():
        del values["center"]
    tables: tuple[Table, ...] = ()
    if period == 1:
        constants, i = {name: literal(value[0]) for name, value in values.items()}, "i"
        body = f"for (int i = 0; i < {n}; i++)\n    "
    else:
        tables = tuple(Table(f"{prefix}_{name}_{number}", "float", value) for name, value in values.items())
        constants = {name: f"NNC_FLOAT({prefix}_{name}_{number} + j)" for name in values}
        body, i = along(n, period)
    x = f"(x[{i}] - {constants['center']})" if "center" in constants else f"x[{i}]"
    body += f"y[{i}] = {constants['scale']} * {x} + {constants['offset']};\n"
    shape = operation.output_shape
    return Step(f"affine_{number}", operation.layer, "scale x + offset", body, shape, True, tables=tables)


_SUM = """\
/* x[0] + ... + x[n - 1], or the sum of (x - mean)^2; sums of 64 terms apart */
static float ${p}_sum(const float *x, int n, float mean, int squares)
{
    float sum = 0.0f;
    for (int first = 0; first < n; first += 64) {
        const int stop = n - first < 64 ? n : first + 64;
        float part = 0.0f;
        for (int i = first; i < stop; i++)
            part += squares ? (x[i] - mean) * (x[i] - mean) : x[i];
        sum += part;
    }
    return sum;
}
"""

_LAYER_NORMALIZATION = """\
for (int first = 0; first < $n; first += $group) {
    const float mean = ${p}_sum(x + first, $group, 0.0f, 0) / $size;
    const float variance = ${p}_sum(x + first, $group, mean, 1) / $size;
    const float scale = 1.0f / sqrtf(variance + $epsilon);
    for (int i = 0; i < $group; i++)
        y[first + i] = (x[first + i] - mean) * scale$gamma$beta;
}
"""


def _layer_normalization(prefix: str, number: int, operation: ops.LayerNormalization) -> Step:
    has = {"gamma": operation.has_gamma, "beta": operation.has_beta}
    values = {"gamma": operation.gamma, "beta": operation.beta}
    made = {name: Table(f"{prefix}_{name}_{number}", "float", values[name]) for name in values if has[name]}
    gamma = f" * NNC_FLOAT({made['gamma'].name} + i)" if "gamma" in made else ""
    beta = f" + NNC_FLOAT({made['beta'].name} + i)" if "beta" in made else ""
    body = fill(
        _LAYER_NORMALIZATION,
        p=prefix,
        n=operation.n_outputs,
        group=operation.group,
        size=literal(operation.group),
        epsilon=literal(operation.epsilon),
        gamma=gamma,
        beta=beta,
    )
    return Step(
        f"normalization_{number}",
        operation.layer,
        "layer normalization",
        body,
        operation.output_shape,
        True,
        tables=tuple(made.values()),
        helpers=(fill(_SUM, p=prefix),),
    )


_UNIT_NORMALIZATION = """\
for (int first = 0; first < $n; first += $group) {
    const float norm = sqrtf(${p}_sum(x + first, $group, 0.0f, 1));
    const float scale = 1.0f / (norm < $least ? $least : norm);
    for (int i = 0; i < $group; i++)
        y[first + i] = x[first + i] * scale;
}
"""


def _unit_normalization(prefix: str, number: int, operation: ops.UnitNormalization) -> Step:
    body = fill(
        _UNIT_NORMALIZATION,
        p=prefix,
        n=operation.n_outputs,
        group=operation.group,
        least=literal(operation.least),
    )
    return Step(
        f"normalization_{number}",
        operation.layer,
        "unit normalization",
        body,
        operation.output_shape,
        True,
        helpers=(fill(_SUM, p=prefix),),
    )


PRODUCTS: dict[type[ops.Operation], Callable[..., Step]] = {ops.Dense: _dense, ops.Convolution: _convolution}

FUNCTIONS: dict[type[ops.Operation], Callable[[str, int, Any], Step]] = {
    **PRODUCTS,
    ops.Pooling: _pooling,
    ops.ZeroPadding: _zero_padding,
    ops.Permute: _permute,
    ops.Affine: _affine,
    ops.Activation: _activation,
    ops.PReLU: _prelu,
    ops.ThresholdedReLU: _thresholded_relu,
    ops.LayerNormalization: _layer_normalization,
    ops.UnitNormalization: _unit_normalization,
}
