"""Integer stages as C99 without floating point: one function here for each class of stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nnc.export import cfloat, quantization
from nnc.export.ctext import Table, fill, literal
from nnc.export.outputs import Outputs
from nnc.export.program import Program, Step


def program(empty: Program, net: quantization.Net, outputs: Outputs) -> Program:
    """`empty` filled with the steps of a net."""
    steps = [
        FUNCTIONS[type(stage)](empty.prefix, number, stage)
        for number, stage in enumerate(net.stages, start=1)
    ]
    upper = empty.prefix.upper()
    limit = {"probabilities": 0.5, "logits": 0.0}.get(outputs.kind)
    return replace(
        empty,
        steps=steps,
        ctypes=("int8_t", "int16_t"),
        notes=[
            f"8-bit integers: x[i] is the value / {upper}_INPUT_SCALE + {upper}_INPUT_ZERO, rounded,",
            f"from -128 to 127; an output's value is y[i] * {upper}_OUTPUT_SCALE.",
        ],
        macros=[
            ("INPUT_SCALE", literal(net.x.scale)),
            ("INPUT_ZERO", f"({net.x.zero})"),
            ("OUTPUT_SCALE", literal(net.output_scale)),
        ],
        threshold=None if limit is None else math.floor(limit / net.output_scale),
    )


_SCALED = """\
/* sum m / 2^s, rounded to the nearest, plus zero, from low to high */
static int32_t ${p}_scaled(int32_t sum, int32_t m, int s, int32_t zero, int32_t low, int32_t high)
{
    const int64_t half = ((int64_t)1 << s) >> 1, product = (int64_t)sum * m;
    const int64_t result = (product < 0 ? -((half - product) >> s) : (product + half) >> s) + zero;
    return result < low ? low : result > high ? high : (int32_t)result;
}
"""


def _scaled(prefix: str) -> str:
    return fill(_SCALED, p=prefix)


def _rescale_tables(prefix: str, number: int, rescale: quantization.Rescale) -> tuple[Table, Table]:
    return (
        Table(f"{prefix}_multiplier_{number}", "int32_t", rescale.multiplier),
        Table(f"{prefix}_shift_{number}", "int8_t", rescale.shift),
    )


def _ctype(stage: quantization.Stage) -> str:
    return "int16_t" if stage.y.wide else "int8_t"


def _step(stage: quantization.Stage, name: str, what: str, body: str, **more: Any) -> Step:
    operation = stage.operation
    return Step(name, operation.layer, what, body, operation.output_shape, ctype=_ctype(stage), **more)


# --------------------------------------------------------------------------------------------------- products


_ADD = """\
/* sums[j] += (x[0] - zero) w[0][j] + ... + (x[n - 1] - zero) w[n - 1][j], w (n, $width) */
static void ${p}_add_$width(const int8_t *x, int n, int32_t zero, const int8_t *w, int32_t *sums)
{
    int32_t $starts;
    for (int k = 0; k < n; k++, w += $width) {
        const int32_t v = x[k] - zero;
        if (v == 0)
            continue;
        $adds
    }
    $ends
}
"""

_DENSE = """\
for (int o = $start; o < $stop; o += $width) {
    int32_t sums[$width];
    for (int j = 0; j < $width; j++)
        sums[j] = NNC_INT32($bias + o + j);
$products    for (int j = 0; j < $width; j++)
        y[$at o + j] = ($type)${p}_scaled(sums[j], NNC_INT32($multiplier + o + j), NNC_INT8($shift + o + j),
            $zero, $low, $high);
}
"""


def _add(prefix: str, width: int) -> str:
    starts, adds, ends = (
        [form.format(j=j) for j in range(width)]
        for form in ("s{j} = 0", "s{j} += v * NNC_INT8(w + {j});", "sums[{j}] += s{j};")
    )
    lines = cfloat.lines
    texts = {"starts": lines(starts, ",", 12), "adds": lines(adds, "", 8), "ends": lines(ends, "", 4)}
    return fill(_ADD, p=prefix, width=width, **texts)


def _product(prefix: str, number: int, stage: quantization.Product) -> Step:
    operation: Any = stage.operation
    outputs = len(stage.bias)
    kernel = stage.weights.reshape(-1, outputs)
    tables = (
        Table(f"{prefix}_kernel_{number}", "int8_t", cfloat.panels(kernel, operation.groups)),
        Table(f"{prefix}_bias_{number}", "int32_t", stage.bias),
        *_rescale_tables(prefix, number, stage.rescale),
    )
    relu = f", {stage.activation}" if stage.activation else ""
    convolution = operation.kernel.ndim == 4
    inner, before, runs = "", "", cfloat.cuts(operation)
    for start, stop, width in runs:

        def call(x: str, n: str, k: str, width: int = width) -> str:
            weights = f"{tables[0].name} + {len(kernel)} * o" + (f" + ({k}) * {width}" if k else "")
            return f"{prefix}_add_{width}({x}, {n}, {stage.x.zero}, {weights}, sums);"

        if convolution:
            before, products = cfloat.window_loop(operation, call)
        else:
            products = call("x", str(len(kernel)), "") + "\n"
        text = fill(
            _DENSE,
            p=prefix,
            start=start,
            stop=stop,
            width=width,
            bias=tables[1].name,
            products="@",
            at=f"(oy * {operation.output_shape[1]} + ox) * {outputs} +" if convolution else "",
            type=_ctype(stage),
            multiplier=tables[2].name,
            shift=tables[3].name,
            zero=stage.rescale.zero,
            low=stage.rescale.low,
            high=stage.rescale.high,
        ).replace("y[ o", "y[o")
        inner += text.replace("@", "".join(f"    {line}\n" for line in products.splitlines()))
    helpers = (_scaled(prefix), *(_add(prefix, width) for *_, width in runs))
    more: Any = {"tables": tables, "helpers": helpers, "multiply_adds": operation.multiply_adds}
    if not convolution:
        what = f"dense {operation.n_inputs} -> {outputs}{relu}"
        return _step(stage, f"dense_{number}", what, inner, **more)
    what, inner = f"{cfloat.window_words(operation)}{relu}", cfloat.group_loop(operation, inner)
    return _step(stage, f"convolution_{number}", what, cfloat.pixels(operation, before + inner), **more)


# ------------------------------------------------------------------------------------------------ activations


def _lookup(prefix: str, number: int, stage: quantization.Lookup) -> Step:
    operation: Any = stage.operation
    ctype = _ctype(stage)
    table = Table(f"{prefix}_values_{number}", ctype, stage.table)
    reader = "NNC_INT16" if stage.y.wide else "NNC_INT8"
    body = f"for (int i = 0; i < {operation.n_outputs}; i++)\n"
    body += f"    y[i] = {reader}({table.name} + (x[i] + 128));\n"
    what = f"{operation.function.replace('_', ' ')}, by a table"
    in_place = not stage.y.wide
    return _step(stage, f"activation_{number}", what, body, tables=(table,), in_place=in_place)


_SOFTMAX = """\
for (int first = 0; first < $n; first += $group) {
    const $from *in = x + first;
    int32_t largest = in[0];
    uint32_t sum = 0;
    for (int i = 1; i < $group; i++)
        if (in[i] > largest)
            largest = in[i];
    for (int i = 0; i < $group; i++)
        sum += ${p}_exp_$number(largest - in[i]);
    for (int i = 0; i < $group; i++)
        y[first + i] = ($to)((int32_t)((${p}_exp_$number(largest - in[i]) * ${one}u + sum / 2) / sum)$zero);
}
"""

_EXP = """\
/* exp(-d) of a distance d, 32767 for 1 */
static uint32_t ${p}_exp_$number(int32_t d)
{
    return (uint32_t)$value;
}
"""


def _softmax(prefix: str, number: int, stage: quantization.Softmax) -> Step:
    low = Table(f"{prefix}_exp_low_{number}", "int16_t", stage.low)
    tables, value = [low], f"NNC_INT16({low.name} + d)"
    if stage.x.wide:
        tables.append(Table(f"{prefix}_exp_high_{number}", "int16_t", stage.high))
        high = f"(int32_t)NNC_INT16({tables[1].name} + (d >> 8))"
        value = f"(({high} * NNC_INT16({low.name} + (d & 255)) + 16384) >> 15)"
    names: dict[str, object] = {"p": prefix, "number": number}
    body = fill(
        _SOFTMAX,
        **names,
        n=stage.operation.n_outputs,
        group=stage.group,
        one=stage.one,
        to=_ctype(stage),
        **{"from": "int16_t" if stage.x.wide else "int8_t"},
        zero=f" - {-stage.y.zero}" if stage.y.zero else "",
    )
    whole = stage.group == stage.operation.n_outputs and stage.x.wide
    return _step(
        stage,
        f"softmax_{number}",
        "softmax",
        body,
        tables=tuple(tables),
        helpers=(fill(_EXP, **names, value=value),),
        in_place=stage.x.wide == stage.y.wide,
        scores=whole,
    )


def _slopes(prefix: str, number: int, stage: quantization.Slopes) -> Step:
    table = Table(f"{prefix}_alpha_{number}", "int16_t", stage.slopes)
    zero, rescale = stage.x.zero, stage.rescale
    loops, i = cfloat.along(stage.operation.n_outputs, len(stage.slopes))
    body = f"{loops.rstrip()} {{\n        const int32_t v = x[{i}] - ({zero});\n"
    body += f"        const int32_t sum = v * (v > 0 ? {stage.one} : NNC_INT16({table.name} + j));\n"
    body += f"        y[{i}] = (int8_t){prefix}_scaled(sum, {rescale.multiplier[0]}, {rescale.shift[0]}, "
    body += f"{rescale.zero}, {rescale.low}, {rescale.high});\n    }}\n"
    return _step(
        stage, f"prelu_{number}", "PReLU", body, tables=(table,), helpers=(_scaled(prefix),), in_place=True
    )


# ------------------------------------------------------------------------------------------------------- maps


_MAX = """\
for (int c = 0; c < $channels; c++) {
    int8_t largest = x[(top * $width + left) * $channels + c];
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++) {
            const int8_t v = x[(row * $width + column) * $channels + c];
            if (v > largest)
                largest = v;
        }
    y[(oy * $ow + ox) * $channels + c] = largest;
}
"""

_AVERAGE = """\
const int32_t n = (int32_t)(bottom - top) * (right - left);
for (int c = 0; c < $channels; c++) {
    int32_t sum = 0;
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++)
            sum += x[(row * $width + column) * $channels + c] - ($zero);
    const int32_t mean = sum < 0 ? -((-2 * sum + n) / (2 * n)) : (2 * sum + n) / (2 * n);
    y[(oy * $ow + ox) * $channels + c] = (int8_t)(mean + ($zero));
}
"""


def _pool(prefix: str, number: int, stage: quantization.Pool) -> Step:
    operation: Any = stage.operation
    text = _MAX if operation.kind == "max" else _AVERAGE
    body = cfloat.pooling_body(operation, text, zero=stage.x.zero)
    return _step(stage, f"pooling_{number}", cfloat.pooling_words(operation), body)


def _padding(prefix: str, number: int, stage: quantization.Padding) -> Step:
    operation: Any = stage.operation
    body = cfloat.zero_padding_body(operation, str(stage.x.zero))
    return _step(stage, f"padding_{number}", "zero padding", body)


def _permutation(prefix: str, number: int, stage: quantization.Permutation) -> Step:
    operation: Any = stage.operation
    return _step(stage, f"permute_{number}", "permuted axes", cfloat.permute_body(operation))


# ----------------------------------------------------------------------------------------------------- scales


def _linear(prefix: str, number: int, stage: quantization.Linear) -> Step:
    period, rescale = len(stage.weights), stage.rescale
    tables = (
        Table(f"{prefix}_scale_{number}", "int16_t", stage.weights),
        Table(f"{prefix}_offset_{number}", "int32_t", stage.bias),
        *_rescale_tables(prefix, number, rescale),
    )
    scale, offset, m, s = (table.name for table in tables)
    loops, _ = cfloat.along(stage.operation.n_outputs, period)
    body = f"{loops.rstrip()} {{\n        const int32_t v = x[i + j] - ({stage.x.zero});\n"
    body += f"        const int32_t sum = v * NNC_INT16({scale} + j) + NNC_INT32({offset} + j);\n"
    body += f"        y[i + j] = (int8_t){prefix}_scaled(sum, NNC_INT32({m} + j), NNC_INT8({s} + j), "
    body += f"{rescale.zero}, {rescale.low}, {rescale.high});\n    }}\n"
    name = f"affine_{number}"
    return _step(
        stage, name, "scale x + offset", body, tables=tables, helpers=(_scaled(prefix),), in_place=True
    )


_NORMALIZATION = """\
for (int first = 0; first < $n; first += $group) {
$square
    int bits = 0;
    for (; square > 0 && square < ((int64_t)1 << 58); bits++)
        square *= 4;
    const int64_t root = ${p}_root(square);
    for (int i = 0; i < $group; i++) {
        const int64_t d = $d;
        const int64_t size = ((d < 0 ? -d : d) << (bits + $unit)) / root;
        int32_t v = ${p}_scaled((int32_t)(d < 0 ? -size : size), NNC_INT32($m + i), NNC_INT8($s + i), 0,
            -$largest, $largest) + NNC_INT32($bias + i);
        v = (v < 0 ? -((128 - v) >> 8) : (v + 128) >> 8) + ($to);
        y[first + i] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }
}
"""

_CENTERED = """\
    int64_t sum = 0, square = 0;
    for (int i = first; i < first + $group; i++) {
        const int32_t v = x[i] - ($zero);
        sum += v;
        square += v * v;
    }
    square = $group * square - sum * sum + $epsilon;"""

_UNCENTERED = """\
    int64_t square = 0;
    for (int i = first; i < first + $group; i++) {
        const int32_t v = x[i] - ($zero);
        square += v * v;
    }
    if (square < $least)
        square = $least;"""

_ROOT = """\
/* The root of square, rounded down, at least 1 */
static int64_t ${p}_root(int64_t square)
{
    int64_t root = 0;
    for (int bit = 31; bit >= 0; bit--) {
        const int64_t more = root + ((int64_t)1 << bit);
        if (more <= square / more)
            root = more;
    }
    return root < 1 ? 1 : root;
}
"""


def _normalization(prefix: str, number: int, stage: quantization.Normalization) -> Step:
    tables = (
        Table(f"{prefix}_multiplier_{number}", "int32_t", stage.multiplier),
        Table(f"{prefix}_shift_{number}", "int8_t", stage.shift),
        Table(f"{prefix}_beta_{number}", "int32_t", stage.bias),
    )
    group, zero = len(stage.bias), stage.x.zero
    square = fill(
        _CENTERED if stage.centered else _UNCENTERED,
        group=group,
        zero=zero,
        epsilon=f"INT64_C({stage.epsilon})",
        least=f"INT64_C({stage.least})",
    )
    body = fill(
        _NORMALIZATION,
        p=prefix,
        n=stage.operation.n_outputs,
        group=group,
        square=square,
        d=f"{group} * (int64_t)(x[first + i] - ({zero})) - sum"
        if stage.centered
        else f"x[first + i] - ({zero})",
        unit=quantization.UNIT_BITS,
        largest=quantization.LARGEST,
        m=tables[0].name,
        s=tables[1].name,
        bias=tables[2].name,
        to=stage.y.zero,
    )
    helpers = (_scaled(prefix), fill(_ROOT, p=prefix))
    name = f"normalization_{number}"
    what = "layer normalization" if stage.centered else "unit normalization"
    return _step(stage, name, what, body, tables=tables, helpers=helpers, in_place=True)


def _widen(prefix: str, number: int, stage: quantization.Widen) -> Step:
    body = f"for (int i = 0; i < {stage.operation.n_outputs}; i++)\n"
    body += f"    y[i] = (int16_t)(x[i] - ({stage.x.zero}));\n"
    return _step(stage, f"outputs_{number}", "y = x - zero", body)


FUNCTIONS: dict[type[quantization.Stage], Callable[[str, int, Any], Step]] = {
    quantization.Product: _product,
    quantization.Lookup: _lookup,
    quantization.Softmax: _softmax,
    quantization.Pool: _pool,
    quantization.Padding: _padding,
    quantization.Permutation: _permutation,
    quantization.Linear: _linear,
    quantization.Slopes: _slopes,
    quantization.Normalization: _normalization,
    quantization.Widen: _widen,
}
