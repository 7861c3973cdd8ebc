"""Exported models: bytes, microseconds per row and accuracy, compared with predict_on_batch and onnxruntime.

Two networks are trained on MNIST: 784-128-10, and the convolutional net of experiment B for one epoch of
10,000 images. Each is exported as C in float32 and in 8-bit integers, compiled and run on the 10,000 test
images, and exported as ONNX. One row at a time, one thread. The output is the tables of docs/export.md.

    python benchmarks/export.py --models results/export
    python benchmarks/export.py --models results/export --time   # time the models of the first run
"""

import argparse
import ctypes
import importlib.util
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

import nnc
from nnc import layers

DATA = Path(__file__).parents[1] / "examples" / "data" / "mnist"
COMPILERS = {"gcc -O2": ["gcc", "-O2"], "gcc -O3 -march=native": ["gcc", "-O3", "-march=native"]}
ARM = ["arm-none-eabi-gcc", "-Os", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]

# The best of several runs over all rows, in microseconds per row, timed in C: a call from Python takes 1 us.
TIMER = """
#define _POSIX_C_SOURCE 199309L
#include "net.h"
#include <time.h>
double run(const X *x, Y *y, long n, int times);
double run(const X *x, Y *y, long n, int times)
{
    double best = 1e30;
    for (int i = 0; i < times; i++) {
        struct timespec start, stop;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (long row = 0; row < n; row++)
            net_predict(x + row * NET_INPUTS, y + row * NET_OUTPUTS);
        clock_gettime(CLOCK_MONOTONIC, &stop);
        double us = (double)(stop.tv_sec - start.tv_sec) * 1e6 + (double)(stop.tv_nsec - start.tv_nsec) / 1e3;
        best = us / (double)n < best ? us / (double)n : best;
    }
    return best;
}
"""


def dense():
    hidden = layers.Dense(128, "relu", kernel_initializer="he_normal")
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten(), hidden], seed=0)
    model.add(layers.Dense(10, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, 60_000, 5


def convolutional():
    """Experiment B's."""

    def convolution(filters, padding="valid"):
        conv = layers.Conv2D(filters, 3, padding=padding, kernel_initializer="he_normal")
        norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        return [conv, norm, layers.Activation("relu")]

    first = [*convolution(16), *convolution(16), layers.MaxPooling2D()]
    second = [*convolution(64), *convolution(64), *convolution(64, "same"), layers.MaxPooling2D()]
    last = [
        layers.Flatten(),
        layers.Dense(128, "relu"),
        layers.Dense(128, "relu"),
        layers.Dense(10, "softmax"),
    ]
    start = [nnc.Input((28, 28)), layers.Rescaling(1 / 255), layers.Reshape((28, 28, 1))]
    model = nnc.Sequential([*start, *first, *second, *last], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, 10_000, 1


NETS = {"784-128-10": dense, "B, convolutional": convolutional}


def trained(name, folder, train):
    file = folder / f"{name.partition(',')[0]}.safetensors"
    if not file.exists():
        model, n, epochs = NETS[name]()
        model.fit(train[0][:n], train[1][:n], 64, epochs, verbose=2)
        model.save(file)
    return nnc.load_model(file)


class Compiled:
    """An exported net as a library, with the timer."""

    def __init__(self, folder, command, int8):
        types = {"X": "int8_t", "Y": "int16_t"} if int8 else {"X": "float", "Y": "float"}
        (folder / "timer.c").write_text(TIMER)
        defines = [f"-D{name}={ctype}" for name, ctype in types.items()]
        library = folder / f"{abs(hash(tuple(command)))}.so"
        sources = [folder / "net.c", folder / "timer.c"]
        subprocess.run(
            [*command, "-std=c99", "-fPIC", "-shared", *defines, *sources, "-o", library, "-lm"], check=True
        )
        self.run = ctypes.CDLL(str(library)).run
        self.run.restype = ctypes.c_double
        self.types = (np.int8, np.int16) if int8 else (np.float32, np.float32)

    def __call__(self, x, times=1):
        """(outputs, microseconds per row)."""
        x = np.ascontiguousarray(x, self.types[0])
        y = np.empty((len(x), 10), self.types[1])
        pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (x, y))
        return y, self.run(*pointers, ctypes.c_long(len(x)), times)


def code_bytes(folder, command):
    """Bytes of the .text section of the compiled file, without constants."""
    out = folder / "out.o"
    subprocess.run([*command, "-std=c99", "-c", folder / "net.c", "-o", out], check=True)
    size = "arm-none-eabi-size" if command[0].startswith("arm") else "size"
    lines = subprocess.run([size, "-A", out], capture_output=True, text=True, check=True).stdout.splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(".text"))


def microseconds(call, x, seconds=1.0):
    """The best mean time of 100 calls with one row each."""
    best, end = np.inf, time.perf_counter() + seconds
    rows = [x[i : i + 1] for i in range(100)]
    while time.perf_counter() < end:
        start = time.perf_counter()
        for row in rows:
            call(row)
        best = min(best, (time.perf_counter() - start) / len(rows) * 1e6)
    return best


def table(head, rows):
    lines = [head, ["---" if i == 0 else "--:" for i in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def sizes_and_accuracy(models, folder, train, test):
    rows = []
    for name, model in models.items():
        if importlib.util.find_spec("onnx"):
            file = model.export_onnx(folder / "net.onnx").file
            print(f"{name}: {Path(file).stat().st_size:,} bytes of ONNX")
        for int8 in (False, True):
            place = folder / f"{name.partition(',')[0]}-{'int8' if int8 else 'float'}"
            place.mkdir(exist_ok=True)
            report = model.export_c(place / "net.c", int8=train[0][:1000] if int8 else None)
            x = test[0].reshape(len(test[0]), -1)
            net = Compiled(place, COMPILERS["gcc -O2"], int8)
            y, _ = net(x.astype(np.int16) - 128 if int8 else x)
            wanted = model.predict(test[0])
            far = np.abs(y * (1 / 32767 if int8 else 1.0) - wanted).max() / np.abs(wanted).max()
            arm = f"{code_bytes(place, ARM):,}" if shutil.which(ARM[0]) else "-"
            rows.append(
                [
                    f"{name}, {'int8' if int8 else 'float32'}",
                    f"{report.flash:,}",
                    arm,
                    f"{report.ram:,}",
                    f"{report.multiply_adds:,}",
                    f"{np.mean(y.argmax(axis=1) == test[1]) * 100:.2f} %",
                    f"{far:.1g}",
                ]
            )
    head = ["network", "flash", "code, Cortex-M4 -Os", "RAM", "multiply-adds", "MNIST test accuracy"]
    return table([*head, "largest difference"], rows)


def times(models, folder, test):
    nnc.set_num_threads(1)
    rows = []
    for name, model in models.items():
        x = test[0].reshape(len(test[0]), -1)[:1000]
        row = [name]
        for int8 in (False, True):
            place = folder / f"{name.partition(',')[0]}-{'int8' if int8 else 'float'}"
            given = (x.astype(np.int16) - 128)[:100] if int8 else x[:100]
            for command in COMPILERS.values():
                row.append(f"{Compiled(place, command, int8)(given, 6)[1]:.1f}")
        images = test[0][:100].astype(np.float32)
        row.append(f"{microseconds(model.predict_on_batch, images):.1f}")
        row.append("-")
        if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
            import onnxruntime

            model.export_onnx(folder / "net.onnx", label=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            path = str(folder / "net.onnx")
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            run = session.run
            row[-1] = f"{microseconds(lambda one, run=run: run(None, {'input': one}), images):.1f}"
        rows.append(row)
    head = [f"C {kind}, {name}" for kind in ("float32", "int8") for name in COMPILERS]
    return table(["microseconds a row", *head, "predict_on_batch", "onnxruntime"], rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", type=Path, required=True, help="folder for the trained models and their files"
    )
    parser.add_argument("--time", action="store_true", help="measure times, after a run without this option")
    options = parser.parse_args()
    options.models.mkdir(parents=True, exist_ok=True)
    train, test = nnc.datasets.load_mnist(DATA)
    models = {name: trained(name, options.models, train) for name in NETS}
    if options.time:
        print(times(models, options.models, test))
    else:
        print(sizes_and_accuracy(models, options.models, train, test))


if __name__ == "__main__":
    main()
