"""A digit classifier in C
=======================

Train a digit classifier, export it as C, compile the C and run it on the test images.

::

    python examples/export_c.py
    python examples/export_c.py --int8 --quick
    python examples/export_c.py --arduino    # a sketch for the Arduino IDE

The output folder then contains digits.c and digits.h, which can be copied into any project, and a main that
reads images and prints the class of each.
"""

import argparse
import subprocess
from pathlib import Path

import numpy as np

import nnc
from nnc import layers

DATA = Path(__file__).parent / "data" / "mnist"

MAIN = """\
#include "digits.h"
#include <stdio.h>

/* Reads images as bytes and prints the class of each on a line. */
int main(void)
{
    unsigned char image[DIGITS_INPUTS];
    TYPE x[DIGITS_INPUTS];
    while (fread(image, 1, sizeof image, stdin) == sizeof image) {
        for (int i = 0; i < DIGITS_INPUTS; i++)
            x[i] = (TYPE)(image[i] - OFFSET);
        printf("%d\\n", digits_classify(x));
    }
    return 0;
}
"""


def parse_arguments():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--epochs", type=int, default=5, help="epochs of training")
    add("--hidden", type=int, default=128, help="units of the hidden layer")
    add("--int8", action="store_true", help="8-bit integers, no floats")
    add("--arduino", action="store_true", help="write only an Arduino sketch")
    add("--compiler", default="cc", help="of C99")
    add("--quick", action="store_true", help="one epoch")
    add("--output", type=Path, default="results/export_c", help="folder for the results")
    options = parser.parse_args()
    if options.quick:
        options.epochs = 1
    return options


def train(options, images, labels):
    hidden = layers.Dense(options.hidden, "relu", kernel_initializer="he_normal")
    first = [nnc.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten()]
    model = nnc.Sequential([*first, hidden, layers.Dropout(0.2), layers.Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, 64, options.epochs, verbose=2)
    return model


def main():
    options = parse_arguments()
    (images, labels), test = nnc.datasets.load_mnist(DATA)
    model = train(options, images, labels)
    options.output.mkdir(parents=True, exist_ok=True)
    calibration = {"int8": images[:1000], "test": test} if options.int8 else {}
    report = model.export_c(options.output / "digits.c", check=5, arduino=options.arduino, **calibration)
    print("\n".join(report.files))
    print(f"{report.flash:,} bytes of flash, {report.ram:,} of RAM, {report.multiply_adds:,} multiply-adds")
    if report.accuracy:
        print(f"accuracy {report.accuracy.before:.4f} before, {report.accuracy.after:.4f} after, by nnc")
    if options.arduino:
        return

    # The network's input for a byte of an image: the byte, or the byte - 128 if x is int8 (see digits.h).
    kind, offset = ("int8_t", "128") if options.int8 else ("float", "0")
    source, program = options.output / "main.c", options.output / "digits"
    source.write_text(MAIN.replace("TYPE", kind).replace("OFFSET", offset))
    command = [options.compiler, "-std=c99", "-O2", "-DDIGITS_NO_MAIN"]
    subprocess.run([*command, source, options.output / "digits.c", "-o", program, "-lm"], check=True)
    answer = subprocess.run([program], input=test[0].tobytes(), capture_output=True, check=True).stdout
    classes = np.array(answer.split(), int)
    print(
        f"test accuracy {np.mean(classes == test[1]):.4f} of {program}, {model.evaluate(*test)[1]:.4f} of nnc"
    )


if __name__ == "__main__":
    main()
