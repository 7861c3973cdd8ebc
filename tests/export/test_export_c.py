"""C99 from models: equal outputs, no warnings, no undefined behaviour, the same bytes; integers; refusals."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from export_helpers import (
    COMPILERS,
    LAYERS,
    WARNINGS,
    Library,
    difference,
    layered,
    needs,
    net,
    rows,
    run,
    trained_like,
)

import nnc
from nnc import layers
from nnc.export import execution, folding, lowering, quantization
from nnc.export import operations as ops
from nnc.export.rows import random_rows


def exported(model, folder, name="net", **options):
    path = folder / f"{name}.c"
    return model.export_c(path, **options), path


@pytest.fixture(params=COMPILERS)
def compiler(request):
    needs(request.param)
    return request.param


# ---- every layer and activation


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_are_those_of_predict(name, tmp_path, compiler):
    model = layered(name)
    x = rows(model, 40)
    _, path = exported(model, tmp_path)
    library, wanted = Library(path, compiler), model.predict(x)
    assert difference(library.predict(x), wanted) <= 1e-6
    assert difference(library.predict(x, "predict_scratch"), wanted) <= 1e-6
    if len(model.output_shape) == 2 and model.output_shape[1] > 1:
        assert (library.classify(x) == wanted.argmax(axis=1)).all()


# Functions that jump at a threshold: an input next to it may be rounded to its other side.
JUMPS = ("thresholded relu", "activation hard_shrink")


# Those without a form in integers.
REFUSED = ("activation log_softmax",)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_in_integers(name, tmp_path):
    model = layered(name)
    with pytest.raises(ValueError, match="int8: log_softmax of layer 'dense' has no form in integers"):
        exported(model, tmp_path, int8=rows(model, 40))


@pytest.mark.parametrize("name", [each for each in LAYERS if each not in REFUSED])
def test_integers_are_those_of_their_reference(name, tmp_path):
    """Quantization in C and in NumPy agree bit for bit, for rows like the calibration data and others."""
    model = layered(name)
    x = rows(model, 40)
    report, path = exported(model, tmp_path, int8=x)
    assert not re.search(r"\b(float|double)\b", re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL))
    quantized = quantization.quantize(folding.inference(lowering.operations(model)), x)
    library = Library(path)
    integers = quantized.integers(x.reshape(len(x), -1))
    far = np.random.default_rng(2).integers(-128, 128, integers.shape).astype(np.int8)
    for q in (integers, far):
        assert np.array_equal(library.predict(q), quantized.run(q))
    bound = 0.2 if name in JUMPS else 0.05
    assert report.difference < bound
    scale, zero = (
        float(library.macros["INPUT_SCALE"].rstrip("f")),
        int(library.macros["INPUT_ZERO"].strip("()")),
    )
    by_hand = np.clip(np.rint(x.reshape(len(x), -1).astype(np.float64) / scale) + zero, -128, 127)
    assert np.abs(by_hand - integers).max() <= 1  # the scale in the header is rounded to float32
    found = library.predict(integers) * float(library.macros["OUTPUT_SCALE"].rstrip("f"))
    assert difference(found, model.predict(x)) < bound


@pytest.mark.parametrize("name", LAYERS)
def test_folding_changes_no_output(name):
    """The layer list for inference and the model's own, computed in float64."""
    model = layered(name)
    x = rows(model, 20)
    model.compile(loss=None, backend="reference")
    folded = folding.inference(lowering.operations(model))
    assert difference(execution.run(folded, x.reshape(len(x), -1)), model.predict(x)) < 1e-12
    assert not any(each.training_only or isinstance(each, ops.BatchNormalization) for each in folded)


def folded_kinds(*stack, shape):
    operations = folding.inference(lowering.operations(net(*stack, shape=shape)))
    return [type(each).__name__ for each in operations]


def test_what_is_folded():
    conv, pool, flat = layers.Conv2D(3, 3), layers.MaxPooling2D(), layers.Flatten()
    norm, scale = layers.BatchNormalization(), layers.Rescaling(1 / 255)
    kinds = folded_kinds(scale, conv, norm, pool, flat, layers.Dense(2), shape=(8, 8, 1))
    assert kinds == ["Convolution", "Pooling", "Reshape", "Dense"]
    kinds = folded_kinds(
        layers.Rescaling(1 / 127.5, -1), layers.Conv2D(3, 3, padding="same"), shape=(8, 8, 1)
    )
    assert kinds == ["Affine", "Convolution"]  # the padding of the image is 0, not -1
    kinds = folded_kinds(layers.Rescaling(1 / 255), layers.Conv2D(3, 3, padding="same"), shape=(8, 8, 1))
    assert kinds == ["Convolution"]
    kinds = folded_kinds(layers.Rescaling(1, -300), layers.Dense(3), shape=(8,))
    assert kinds == ["Affine", "Dense"]  # the digits of x - 300 would cancel in a sum
    kinds = folded_kinds(layers.Dense(3, "relu"), layers.BatchNormalization(), layers.Dense(2), shape=(8,))
    assert kinds == ["Dense", "Activation", "Dense"]
    kinds = folded_kinds(layers.ZeroPadding2D(1), layers.Conv2D(3, 3), layers.Dropout(0.5), shape=(8, 8, 1))
    assert kinds == ["Convolution"]
    kinds = folded_kinds(layers.Rescaling(-1.0), layers.MaxPooling2D(), layers.Conv2D(3, 3), shape=(8, 8, 1))
    assert kinds == ["Affine", "Pooling", "Convolution"]  # the largest becomes the smallest


# ---- the files


def digits(seed=0):
    return net(layers.Rescaling(1 / 255), layers.Dense(12, "relu"), layers.Dense(10, "softmax"), shape=(20,))


def test_files_and_their_head(tmp_path):
    report, path = exported(digits(), tmp_path, "digits")
    assert report.files == (str(path), str(path.with_suffix(".h"))) and report.prefix == "digits"
    assert sorted(os.listdir(tmp_path)) == ["digits.c", "digits.h"]
    text, header = path.read_text(encoding="ascii"), path.with_suffix(".h").read_text(encoding="ascii")
    weights = 20 * 12 + 12 + 12 * 10 + 10
    assert (report.flash, report.ram, report.multiply_adds) == (4 * weights, 4 * 12, 20 * 12 + 12 * 10)
    head = text.partition("*/")[0]
    for word in (
        nnc.__version__,
        f"{4 * weights:,} bytes",
        "48 bytes of scratch",
        "360",
        report.digest,
        "dense",
    ):
        assert word in head
    assert max(map(len, text.splitlines())) <= 130
    for word in ("malloc", "stdio", "calloc", "#include <stdlib"):
        assert word not in text
    assert not re.search(r"^static (?!const|void|float)", text, re.MULTILINE)  # no state
    assert "void digits_predict(const float x[DIGITS_INPUTS], float y[DIGITS_OUTPUTS]);" in header
    assert "int digits_classify(const float x[DIGITS_INPUTS]);" in header and 'extern "C"' in header


def test_the_same_bytes_every_time(tmp_path):
    model = layered("convolution, normalized")
    for name, options in {"a": {}, "b": {"int8": rows(model, 9), "check": 2}}.items():
        texts = []
        for folder in ("one", "two"):
            (tmp_path / name / folder).mkdir(parents=True)
            report, _ = exported(model, tmp_path / name / folder, weights="extern", **options)
            texts.append([Path(file).read_bytes() for file in report.files])
        assert texts[0] == texts[1] and len(texts[0]) == 3
        model = nnc.Sequential.from_state(model.state())


def test_the_hash_is_of_what_is_computed(tmp_path):
    model = digits()
    report, _ = exported(model, tmp_path)
    renamed = net(
        layers.Rescaling(1 / 255),
        layers.Dense(12, "relu", name="other"),
        layers.Dropout(0.3),
        layers.Dense(10, "softmax"),
        shape=(20,),
    )
    renamed.set_weights(model.get_weights())
    assert exported(renamed, tmp_path)[0].digest == report.digest
    renamed.set_weights([w + np.float32(1e-3) for w in model.get_weights()])
    assert exported(renamed, tmp_path)[0].digest != report.digest


def test_libm_is_linked_where_an_activation_needs_it(tmp_path):
    needs("gcc")
    for activation, wanted in (("relu", False), ("tanh", True)):
        _, path = exported(net(layers.Dense(3, activation), shape=(4,)), tmp_path, activation)
        assert ("math.h" in path.read_text()) == wanted
        run("gcc", *WARNINGS, "-c", path, "-o", tmp_path / "out.o")
        symbols = run("nm", "-u", tmp_path / "out.o").split()
        assert ("tanhf" in symbols) == wanted and not {"malloc", "free", "printf"} & set(symbols)


def test_no_global_state(tmp_path):
    """The object has nothing in writable memory."""
    needs("gcc")
    _, path = exported(layered("convolution, normalized"), tmp_path)
    run("gcc", *WARNINGS, "-c", path, "-o", tmp_path / "out.o")
    sizes = run("size", tmp_path / "out.o").splitlines()[1].split()
    assert (sizes[1], sizes[2]) == ("0", "0")  # data, bss


def test_weights_in_a_second_file(tmp_path, compiler):
    model = digits()
    report, path = exported(model, tmp_path, weights="extern")
    assert [os.path.basename(file) for file in report.files] == ["net.c", "net.h", "net_weights.c"]
    assert "= {" not in path.read_text() and path.stat().st_size < 6000
    x = rows(model, 20)
    assert difference(Library(path, compiler).predict(x), model.predict(x)) <= 1e-6


def test_a_second_file_without_weights(tmp_path, compiler):
    model = net(layers.MaxPooling2D(), shape=(4, 6, 1))
    x = rows(model, 3)
    for options in ({}, {"int8": x}):
        exported(model, tmp_path, weights="extern", **options)
        Library(tmp_path / "net.c", compiler)


@pytest.mark.parametrize("options", [{}, {"weights": "extern"}, {"int8": True}])
def test_a_main_that_checks_stored_rows(options, tmp_path, compiler):
    model = digits()
    if options.get("int8"):
        options = {"int8": rows(model, 30)}
    _, path = exported(model, tmp_path, check=5, **options)
    sources = sorted(tmp_path.glob("*.c"))
    run(compiler, *WARNINGS, *sources, "-o", tmp_path / "check", "-lm")
    assert "5 rows" in run(tmp_path / "check") and path.read_text().count("int main(void)") == 1
    broken = re.sub(r"(_check_y\[50\] NNC_PROGMEM = \{\n +)[-\w.]+", r"\g<1>9", path.read_text())
    path.write_text(broken)
    run(compiler, *WARNINGS, *sources, "-o", tmp_path / "check", "-lm")
    done = subprocess.run([tmp_path / "check"], capture_output=True, text=True)
    assert done.returncode == 1 and "TOO LARGE" in done.stdout


def test_check_takes_rows_of_ones_own(tmp_path):
    needs("gcc")
    model = digits()
    x = rows(model, 3)
    _, path = exported(model, tmp_path, check=x)
    assert "_check_x[60]" in path.read_text() and "3 rows" in path.read_text()
    library = Library(path, flags=("-DNET_NO_MAIN",))
    library.library.net_check.restype = __import__("ctypes").c_float
    assert library.library.net_check() <= 1e-6


def test_rows_whose_outputs_are_infinite_are_not_stored(tmp_path):
    model = net(layers.Dense(3), shape=(4,))
    model.set_weights([w * np.float32(1e38) for w in model.get_weights()])
    refused(model, tmp_path, ValueError, "check: the model has NaN or infinite", check=np.full((1, 4), 1e3))


def test_prefix_and_names(tmp_path):
    needs("gcc")
    model = digits()
    report, path = exported(model, tmp_path, "my-net v2")
    assert report.prefix == "my_net_v2" and '#include "my-net v2.h"' in path.read_text()
    run("gcc", *WARNINGS, "-c", path, "-o", tmp_path / "out.o")
    report, path = exported(model, tmp_path, "2nd", prefix="second")
    assert "second_predict" in path.with_suffix(".h").read_text()
    with pytest.raises(ValueError, match="prefix must be given, since the file's name '2nd' does not begin"):
        exported(model, tmp_path, "2nd")
    for prefix in ("2nd", "a b", "", "_x", "é", 3):
        with pytest.raises(ValueError, match="prefix must be a letter, then letters, digits"):
            exported(model, tmp_path, prefix=prefix)


def test_hostile_layer_names_stay_in_their_comments(tmp_path, compiler):
    names = ["a*", "b\nint x;", "\\", "??)", "é" * 30]
    stack = [layers.Dense(3, name=name) for name in names]
    _, path = exported(net(*stack, shape=(4,)), tmp_path)
    run(compiler, *WARNINGS, "-c", path, "-o", tmp_path / "out.o")


@pytest.mark.parametrize("name", ["double", "for", "2-net v1", "a.b", "main", "CON-ns"])
def test_names_of_files(name, tmp_path):
    """Keywords and names that are no identifiers."""
    needs("gcc")
    model = digits()
    options = {"prefix": "net"} if not name[0].isalpha() else {}
    report, _ = exported(model, tmp_path, name, check=1, weights="extern", **options)
    sources = [file for file in report.files if file.endswith(".c")]
    run("gcc", *WARNINGS, *sources, "-o", tmp_path / "check", "-lm")
    assert "good" in run(tmp_path / "check") and report.prefix == options.get("prefix", report.prefix)


@pytest.mark.parametrize("name", ["größe", 'a"b', "a\\b", "a\nb", "a??(b"])
def test_names_that_no_include_can_have(name, tmp_path):
    for options in ({}, {"arduino": True, "prefix": "net"}):
        refused(
            digits(), tmp_path, ValueError, "path must be a name of printable ASCII", f"{name}.c", **options
        )


def test_rows_are_like_those_of_the_training(tmp_path):
    """A first rescaling maps them to (0, 1), a first standardization to N(0, 1)."""
    for first, low, high in (
        (layers.Rescaling(1 / 255), 0, 255),
        (layers.Normalization(mean=1000.0, variance=4.0), 990, 1010),
        (layers.Normalization(mean=1000.0, variance=4.0, invert=True), -504, -496),
        (layers.Normalization(mean=[0.0, 50.0], variance=1.0), -10, 60),
        (layers.Dense(3), -5, 5),
    ):
        model = net(layers.Dropout(0.2), first, layers.Dense(2), shape=(2,))
        weights = model.get_weights()
        if isinstance(first, layers.Normalization):
            weights[:2] = [np.broadcast_to(first._given[name], 2) for name in ("mean", "variance")]
            model.set_weights(weights)
        x = random_rows(lowering.operations(model), 50, (2,))
        assert x.shape == (50, 2) and x.dtype == np.float32 and low <= x.min() < x.max() <= high
        assert x.max() - x.min() > (high - low) / 10


def test_arduino_sketch(tmp_path):
    needs("gcc")
    model = digits()
    report, _ = exported(model, tmp_path, "digits", arduino=True)
    folder = tmp_path / "digits"
    assert sorted(os.listdir(folder)) == ["digits.c", "digits.h", "digits.ino"]
    assert all(os.path.dirname(file) == str(folder) for file in report.files)
    text = (folder / "digits.ino").read_text()
    assert '#include "digits.h"' in text and "digits_check()" in text and "void loop()" in text
    assert "main(void)" not in (folder / "digits.c").read_text()
    assert model.export_c(tmp_path / "digits", arduino=True).files == report.files  # a folder's path
    if shutil.which("g++"):  # with the declarations of the board's core
        core = (
            "struct S { void begin(long); void println(); operator bool(); template <class T> void print(T);"
        )
        core += " template <class T> void print(T, int); template <class T> void println(T); } Serial;\n"
        core += "#define F(s) s\n"
        core += "unsigned long millis(); unsigned long micros(); void delay(int);\n"
        (folder / "sketch.cpp").write_text(core + text)
        run("g++", "-Wall", "-Wextra", "-Werror", "-c", folder / "sketch.cpp", "-o", tmp_path / "out.o")


@pytest.mark.parametrize("options", [{}, {"int8": True}])
def test_on_avr_weights_stay_in_the_program_memory(options, tmp_path):
    needs("avr-gcc")
    model = digits()
    if options:
        options = {"int8": rows(model, 30)}
    report, _ = exported(model, tmp_path, check=1, arduino=True, **options)
    out = tmp_path / "out.o"
    run("avr-gcc", "-mmcu=atmega328p", "-Os", *WARNINGS, "-c", report.files[0], "-o", out)
    sections = {
        line.split()[0]: int(line.split()[1]) for line in run("avr-size", "-A", out).splitlines()[2:] if line
    }
    assert sections[".progmem.data"] >= report.flash and sections[".data"] == 0 and sections[".bss"] == 0
    if shutil.which("simavr"):
        main = '#include "net.h"\n#include <stdlib.h>\n#include <avr/io.h>\n#include <avr/sleep.h>\n'
        main += "#include <avr/interrupt.h>\n"
        main += "int main(void) { UCSR0B = 1 << TXEN0; UDR0 = net_check() <= NET_TOLERANCE ? 'y' : 'n';\n"
        main += "while (!(UCSR0A & (1 << UDRE0))) {} UDR0 = '\\n'; while (!(UCSR0A & (1 << UDRE0))) {}\n"
        main += "cli(); sleep_enable(); sleep_cpu(); return 0; }\n"
        folder = tmp_path / "net"
        (folder / "main.c").write_text(main)
        elf = tmp_path / "net.elf"
        sources = [folder / "main.c", folder / "net.c"]
        run("avr-gcc", "-mmcu=atmega328p", "-Os", "-std=c99", *sources, "-o", elf, "-lm")
        done = subprocess.run(
            ["simavr", "-m", "atmega328p", "-f", "16000000", elf], capture_output=True, text=True, timeout=60
        )
        assert re.search(r"\by\b", re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)), (
            done.stdout + done.stderr
        )


# ---- odd inputs


FUZZ = """
#include "net.h"
#include <math.h>
#include <stdio.h>
static unsigned long state = 1;
static unsigned long next(void)
{
    state = (state * 1103515245ul + 12345ul) & 0x7ffffffful;
    return state >> 8;
}
int main(void)
{
    TYPE_X x[NET_INPUTS];
    TYPE_Y y[NET_OUTPUTS];
    TYPE_X scratch[NET_SCRATCH];
    long sum = 0;
    for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < NET_INPUTS; i++)
            x[i] = VALUE;
        net_predict(x, y);
        net_predict_scratch(x, y, scratch);
        for (int i = 0; i < NET_OUTPUTS; i++)
            sum += y[i] > 0;
#ifdef CLASSIFY
        sum += net_classify(x);
#endif
    }
    printf("%ld\\n", sum);
    return 0;
}
"""
FLOATS = "(float)(next() % 7 == 0 ? NAN : next() % 7 == 0 ? INFINITY : next() % 7 == 0 ? -INFINITY"
FLOATS += " : next() % 5 == 0 ? 3e38 : ((double)next() - 4e6) / 1e6)"


def fuzzed(path, compiler, n, *, int8, classify):
    values = {
        "TYPE_X": "int8_t" if int8 else "float",
        "TYPE_Y": "int16_t" if int8 else "float",
        "VALUE": "(int8_t)((int)(next() % 256) - 128)" if int8 else FLOATS,
        "ROWS": str(n),
    }
    text = FUZZ
    for name, value in values.items():
        text = text.replace(name, value)
    main = path.parent / "fuzz.c"
    main.write_text(text)
    sanitize = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    defined = ["-DCLASSIFY"] if classify else []
    program = path.parent / "fuzz"
    run(compiler, "-std=c99", *sanitize, *defined, main, path, "-o", program, "-lm")
    run(program, timeout=120)


@pytest.mark.parametrize("int8", [False, True], ids=["float", "int8"])
def test_sanitizers_over_ten_thousand_inputs(int8, tmp_path):
    """A net of dense, convolutional and pooling layers; NaN and infinities are among the inputs."""
    needs("gcc")
    model = net(
        layers.Rescaling(0.5, 0.1),
        layers.Conv2D(5, 3, padding="same", activation="gelu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(3, 2, "same"),
        layers.LayerNormalization(),
        layers.Conv2D(18, 2, dilation_rate=2),
        layers.PReLU(),
        layers.AveragePooling2D(2, 1, "same"),
        layers.Flatten(),
        layers.Dense(9, "softplus"),
        layers.Dense(4, "softmax"),
        shape=(9, 8, 2),
    )
    _, path = exported(model, tmp_path, **({"int8": rows(model, 50)} if int8 else {}))
    fuzzed(path, "gcc", 10_000, int8=int8, classify=True)


@pytest.mark.parametrize("int8", [False, True], ids=["float", "int8"])
@pytest.mark.parametrize("name", ["activation " + each for each in ("elu", "sigmoid", "tanh", "softmax")])
def test_sanitizers_over_activations(name, int8, tmp_path):
    needs("gcc")
    model = layered(name)
    _, path = exported(model, tmp_path, **({"int8": rows(model, 50)} if int8 else {}))
    fuzzed(path, "gcc", 500, int8=int8, classify=True)


def test_nan_comes_out_where_nan_comes_in(tmp_path):
    needs("gcc")
    for name in ("relu", "leaky_relu", "tanh", "softmax", "unit normalization"):
        last = [layers.UnitNormalization()] if " " in name else [layers.Activation(name)]
        model = net(layers.Dense(4), *last, shape=(3,))
        _, path = exported(model, tmp_path, name.replace(" ", "_"))
        x = np.float32([[1.0, np.nan, 2.0]])
        assert np.isnan(Library(path).predict(x)).all() and np.isnan(model.predict(x)).all()
    model = net(layers.MaxPooling2D(), shape=(4, 4, 1))
    x = rows(model, 3)
    x[0, 1, 1] = np.nan
    _, path = exported(model, tmp_path, "pool")
    assert np.array_equal(Library(path).predict(x), model.predict(x).reshape(3, -1), equal_nan=True)


# ---- bare metal


def arm(model, folder, **options):
    """The largest difference in an exported check on a Cortex-M4."""
    needs("arm-none-eabi-gcc", "qemu-arm")
    _, path = exported(model, folder, check=5, **options)
    cpu = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
    run("arm-none-eabi-gcc", *WARNINGS, "-O2", *cpu, "-c", path, "-o", folder / "net.o")
    start = Path(__file__).with_name("cortex_m4_start.c")
    linked = [start, folder / "net.o", "-o", folder / "net.elf", "-lm", "-lc", "-lnosys"]
    run("arm-none-eabi-gcc", "-O2", *cpu, "-nostartfiles", *linked)
    said = run("qemu-arm", folder / "net.elf")
    assert said.rstrip().endswith("good"), said
    return float(re.search(r"difference ([-+.\de]+)", said)[1])


@pytest.mark.parametrize(
    "name", ["convolution, normalized", "dense, 200 inputs", "layer normalization, image"]
)
def test_on_a_cortex_m4(name, tmp_path):
    model = layered(name)
    assert arm(model, tmp_path) < 1e-5
    (tmp_path / "int8").mkdir()
    assert arm(model, tmp_path / "int8", int8=rows(model, 30)) == 0


@pytest.mark.parametrize("each", nnc.activations.names)
def test_activations_on_a_cortex_m4(each, tmp_path):
    arm(layered(f"activation {each}"), tmp_path)


# ---- classification


def test_classify_of_two_classes(tmp_path):
    needs("gcc")
    model = net(layers.Dense(5, "relu"), layers.Dense(1, "sigmoid"), shape=(4,))
    x = rows(model, 60)
    for options in ({}, {"int8": x}):
        report, path = exported(model, tmp_path, **options)
        library = Library(path)
        given = x
        if options:
            given = quantization.quantize(folding.inference(lowering.operations(model)), x).integers(x)
        agree = np.mean(library.classify(given) == (model.predict(x)[:, 0] > 0.5))
        assert agree == (1.0 if not options else report.accuracy.after) and agree >= 0.95
    logits = net(layers.Dense(1), shape=(4,))
    _, path = exported(logits, tmp_path, "value")
    assert "classify" not in path.with_suffix(".h").read_text()
    logits.compile(loss=nnc.losses.BinaryCrossentropy(from_logits=True))
    _, path = exported(logits, tmp_path, "logits")
    assert (Library(path).classify(x) == (logits.predict(x)[:, 0] > 0)).all()


def test_a_tie_goes_to_the_first_class(tmp_path):
    needs("gcc")
    model = nnc.Sequential([nnc.Input((2,)), layers.Dense(4, "softmax", kernel_initializer="zeros")])
    _, path = exported(model, tmp_path)
    assert Library(path).classify(np.ones((1, 2))) == [0]


def test_classify_calls_no_softmax(tmp_path):
    _, path = exported(digits(), tmp_path)
    body = path.read_text().partition("int net_classify_scratch")[2]
    assert "net_scores(x, y, scratch)" in body and "softmax" not in body
    scores = re.search(r"static void net_scores\(.*?\n}\n", path.read_text(), re.DOTALL)[0]
    assert "softmax" not in scores


# ---- integers


def mnist_like(n=300):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, n)
    x = (rng.normal(size=(n, 16)) + 2.0 * np.eye(4)[y].repeat(4, axis=1)).astype(np.float32)
    return x, y


def test_accuracy_before_and_after(tmp_path):
    x, y = mnist_like()
    model = nnc.Sequential([nnc.Input((16,)), layers.Dense(12, "relu"), layers.Dense(4, "softmax")], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, verbose=0)
    report, path = exported(model, tmp_path, int8=x[:100], test=(x, y))
    before, after = report.accuracy
    assert before == pytest.approx(model.evaluate(x, y)[1]) and abs(after - before) < 0.02
    needs("gcc")
    quantized = quantization.quantize(folding.inference(lowering.operations(model)), x[:100])
    assert np.mean(Library(path).classify(quantized.integers(x)) == y) == after
    own, _ = exported(model, tmp_path, int8=x[:100])
    assert own.accuracy.before == 1.0 and own.accuracy.after > 0.97
    one_hot, _ = exported(model, tmp_path, int8=x[:100], test=(x, np.eye(4)[y]))
    assert one_hot.accuracy == report.accuracy


def test_integers_take_a_quarter(tmp_path):
    model = net(layers.Dense(128, "relu"), layers.Dense(10, "softmax"), shape=(784,))
    floats, _ = exported(model, tmp_path)
    integers, _ = exported(model, tmp_path, int8=rows(model, 10))
    assert floats.flash == 4 * (784 * 128 + 128 + 128 * 10 + 10) and floats.ram == 512
    assert integers.flash < 0.27 * floats.flash and integers.ram == 128 and floats.accuracy is None


def test_images_of_bytes_are_taken_without_a_division(tmp_path):
    model = net(layers.Rescaling(1 / 255), layers.Dense(3), shape=(6,))
    x = np.random.default_rng(0).integers(0, 256, (200, 6)).astype(np.uint8)
    _, path = exported(model, tmp_path, int8=x)
    header = path.with_suffix(".h").read_text()
    assert "NET_INPUT_SCALE 1.0f" in header and "NET_INPUT_ZERO (-128)" in header


def test_inputs_far_from_zero(tmp_path):
    """For 1000 +- 5 the integers cover the range of 10, not of 1000."""
    model = net(layers.BatchNormalization(), layers.Dense(4), shape=(3,))
    rng = np.random.default_rng(0)
    x = (1000 + 5 * rng.uniform(-1, 1, size=(200, 3))).astype(np.float32)
    weights = model.get_weights()
    weights[2][:], weights[3][:] = 1000.0, 8.0
    model.set_weights(weights)
    report, path = exported(model, tmp_path, int8=x)
    assert report.difference < 0.05
    _, path = exported(model, tmp_path)
    assert difference(Library(path).predict(x), model.predict(x)) <= 1e-6


def test_constant_and_extreme_weights(tmp_path):
    needs("gcc")
    model = net(layers.Dense(4, "relu"), layers.Dense(3), shape=(5,))
    x = rows(model, 20)
    zeros = [np.zeros_like(w) for w in model.get_weights()]
    large = [w * np.float32(1e6) for w in model.get_weights()]
    odd = [w.copy() for w in model.get_weights()]
    odd[0][:, 1], odd[1][1] = 1e-20, 5.0  # a bias far beyond its weights
    for weights in (zeros, large, odd):
        model.set_weights(weights)
        report, path = exported(model, tmp_path, int8=x)
        quantized = quantization.quantize(folding.inference(lowering.operations(model)), x)
        integers = quantized.integers(x)
        assert np.array_equal(Library(path).predict(integers), quantized.run(integers))
        assert report.difference < 0.05
    _, path = exported(model, tmp_path, int8=np.zeros((2, 5)))  # which does not determine the range
    Library(path).predict(np.full((1, 5), 127, np.int8))


# ---- refusals, and nothing half-written


def refused(model, folder, error, words, path="net.c", **options):
    before = sorted(os.listdir(folder))
    with pytest.raises(error, match=words):
        model.export_c(folder / path, **options)
    assert sorted(os.listdir(folder)) == before


def test_bad_models(tmp_path):
    refused(nnc.Sequential([layers.Dense(3)]), tmp_path, ValueError, r"not built.*Input.*build\(\(None")
    refused(nnc.Sequential(), tmp_path, ValueError, "not built")
    model = digits()
    model.compile(loss=lambda y, a: (np.zeros(len(y)), a))
    refused(model, tmp_path, ValueError, r"Python function.*compile\(loss=None\)")
    model.compile(loss=None)
    exported(model, tmp_path)
    for value in (np.nan, np.inf):
        weights = model.get_weights()
        weights[1][0] = value
        model.set_weights(weights)
        refused(model, tmp_path, ValueError, "bias of layer 'dense'.* has NaN or infinite values")
    degenerate = net(layers.Dense(2), layers.BatchNormalization(epsilon=0.0), shape=(3,))
    weights = degenerate.get_weights()
    weights[-1][:] = 0.0
    degenerate.set_weights(weights)
    refused(degenerate, tmp_path, ValueError, "layer 'batch_normalization'.*not finite.*moving variance of 0")


def test_bad_paths(tmp_path):
    model = digits()
    refused(model, tmp_path, FileNotFoundError, r"no folder .*missing.*os\.makedirs", "missing/net.c")
    refused(model, tmp_path, ValueError, r"path must be .* ends in \.c, such as 'digits\.c'", "net.h")
    refused(model, tmp_path, ValueError, "path must be", "net")
    for value in (3, None, b"a\0.c"):
        with pytest.raises((TypeError, ValueError), match="path must be a path"):
            model.export_c(value)
    assert model.export_c(os.fsencode(tmp_path / "bytes.c")).files[0] == str(tmp_path / "bytes.c")
    (tmp_path / "net.c").mkdir()
    refused(model, tmp_path, IsADirectoryError, "Is a directory")
    (tmp_path / "other.h").mkdir()  # the second file cannot be written, so the first is not
    refused(model, tmp_path, IsADirectoryError, "Is a directory", "other.c")


def test_limits(tmp_path):
    model = digits()
    report, _ = exported(model, tmp_path)
    exported(model, tmp_path, "a", max_flash=report.flash, max_ram=report.ram)
    words = f"max_flash is {report.flash - 1:,} bytes, but .* {report.flash:,}.*int8="
    refused(model, tmp_path, ValueError, words, "b.c", max_flash=report.flash - 1)
    words = f"max_ram is {report.ram - 1:,} bytes, but the scratch takes {report.ram:,}"
    refused(model, tmp_path, ValueError, words, "b.c", max_ram=report.ram - 1)
    refused(model, tmp_path, ValueError, "max_flash", "b", arduino=True, max_flash=1)
    integers, _ = exported(model, tmp_path, "c", int8=rows(model, 5), max_flash=report.flash + 100)
    words = f"max_flash is {integers.flash - 1:,} bytes, but .* {integers.flash:,}: it needs fewer weights$"
    refused(model, tmp_path, ValueError, words, "d.c", int8=rows(model, 5), max_flash=integers.flash - 1)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"weights": "none"}, ValueError, "weights must be 'static' or 'extern'"),
        ({"check": -1}, ValueError, "check must be an integer from 0"),
        ({"check": np.ones((2, 3))}, ValueError, r"check must have shape \(n, 20\)"),
        ({"check": np.full((1, 20), np.nan)}, ValueError, "check has NaN"),
        ({"arduino": 1}, TypeError, "arduino must be True or False"),
        ({"int8": np.ones((2, 3))}, ValueError, r"int8 must have shape \(n, 20\)"),
        ({"int8": np.ones((0, 20))}, ValueError, "n at least 1"),
        ({"int8": np.full((2, 20), np.inf)}, ValueError, "int8 has NaN"),
        ({"int8": True}, ValueError, "int8 must have shape"),
        ({"test": (1, 2)}, ValueError, "test must be None without int8="),
        ({"int8": np.ones((2, 20)), "test": 3}, TypeError, r"test must be a pair \(x, y\)"),
        ({"int8": np.ones((2, 20)), "test": (np.ones((2, 20)), [1])}, ValueError, "rows"),
        ({"int8": np.ones((2, 20)), "check": 3}, ValueError, "check must be at most the 2 rows of int8"),
        ({"max_flash": 1.5}, TypeError, "max_flash must be an integer"),
        ({"max_ram": -1}, ValueError, "max_ram must be an integer"),
    ],
)
def test_bad_arguments(options, error, words, tmp_path):
    refused(digits(), tmp_path, error, words, **options)


def test_a_failure_leaves_the_old_files(tmp_path, monkeypatch):
    model = digits()
    _, path = exported(model, tmp_path)
    old = path.read_bytes()
    model.set_weights([w + 1 for w in model.get_weights()])

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    refused(model, tmp_path, OSError, "no space")
    refused(model, tmp_path, OSError, "no space", "sketch", arduino=True)
    assert path.read_bytes() == old


def test_nothing_of_the_model_changes(tmp_path):
    model = digits()
    weights, x = model.get_weights(), rows(model, 5)
    before = model.predict(x)
    exported(model, tmp_path, int8=x, check=2)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    assert np.array_equal(before, model.predict(x))


def test_the_reference_backend_and_a_model_built_by_data(tmp_path):
    needs("gcc")
    model = nnc.Sequential([layers.Dense(3, "tanh")], seed=0)
    model.compile(loss="mse", backend="reference")
    x = np.random.default_rng(0).normal(size=(9, 4))
    model.predict(x)
    _, path = exported(trained_like(model), tmp_path)
    assert difference(Library(path).predict(x), model.predict(x)) <= 1e-6
