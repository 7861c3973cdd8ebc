"""MNIST with dense layers
=======================

Train a network on MNIST, plot it, save it, and test the saved model.

The default is one hidden layer, 784-292-10, ReLU and softmax cross-entropy, trained by plain SGD with
hyperparameters from a random search. The model, history.csv and the figures are written to the output folder.

::

    python examples/mnist.py
    python examples/mnist.py --quick
    python examples/mnist.py --hidden 256 128 --activation gelu --schedule one-cycle --learning-rate 0.5
    python examples/mnist.py --test results/mnist/model.safetensors
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import nnc
from nnc import layers, schedules

DATA = Path(__file__).parent / "data" / "mnist"

LOSSES = {
    "cross-entropy": nnc.losses.SparseCategoricalCrossentropy(from_logits=True),
    "euclidean": nnc.losses.EuclideanLoss(),
    "hinge": nnc.losses.MarginHinge(5.0),
}
SCHEDULES = {  # of the learning rate, for a run of the given number of steps
    "constant": lambda rate, steps: rate,
    "inverse-time": lambda rate, steps: schedules.InverseTimeDecay(rate, 1, 0.1, per="epoch"),
    "exponential": lambda rate, steps: schedules.ExponentialDecay(rate, 1, 0.9, per="epoch"),
    "cosine": lambda rate, steps: schedules.CosineDecay(rate, steps),
    "one-cycle": lambda rate, steps: schedules.OneCycle(rate, steps),
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--hidden", type=int, nargs="*", default=[292], help="units of each hidden layer")
    add("--activation", default="relu", help="name of an activation in nnc.activations")
    add("--loss", choices=LOSSES, default="cross-entropy", help="loss function")
    add("--learning-rate", type=float, default=0.24752, help="learning rate; with a schedule, the highest")
    add("--momentum", type=float, default=0.0, help="of SGD")
    add("--l2", type=float, default=2.5466e-7, help="L2 factor: the loss includes l2 / 2 * sum(W**2)")
    add("--schedule", choices=SCHEDULES, default="constant", help="learning rate schedule")
    add("--batch", type=int, default=128, help="batch size")
    add("--epochs", type=int, default=20, help="epochs of training")
    add("--precision", choices=["float32", "bfloat16"], default="float32", help="precision of products")
    add("--seed", type=int, default=0, help="seed of the initial weights and the shuffles")
    add("--threads", type=int, help="number of threads; None: as many as the process may use")
    add("--output", type=Path, default="results/mnist", help="folder for the results")
    add("--quick", action="store_true", help="2 epochs")
    add("--test", type=Path, metavar="FILE", help="only load this model and test it")
    options = parser.parse_args()
    if options.quick:
        options.epochs = 2
    return options


def build(options):
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)])
    he, l2 = nnc.initializers.HeNormal(truncated=False), nnc.regularizers.L2(options.l2 / 2)
    for units in options.hidden:
        model.add(layers.Dense(units, options.activation, kernel_initializer=he, kernel_regularizer=l2))
    model.add(layers.Dense(10, kernel_initializer=he, kernel_regularizer=l2))
    steps = options.epochs * -(-60_000 // options.batch)
    rate = SCHEDULES[options.schedule](options.learning_rate, steps)
    sgd = nnc.optimizers.SGD(rate, options.momentum)
    model.compile(sgd, LOSSES[options.loss], metrics=["accuracy"], precision=options.precision)
    return model


def result(model, name, images):
    loss, accuracy = model.evaluate(*images)
    return f"{name} loss {loss:.6f}, {name} accuracy {accuracy:.4f}"


def draw(model, x, y, folder):
    predicted = model.predict(x)
    wrong = predicted.argmax(axis=1) != y
    first = int(len(model.history.epoch) > 2)
    nnc.plot.save(nnc.plot.history(model, first, validation="test"), folder / "curves")
    nnc.plot.save(nnc.plot.weights(model), folder / "weights")
    nnc.plot.save(nnc.plot.singular_values(model), folder / "singular_values")
    nnc.plot.save(nnc.plot.filters(model), folder / "filters")
    nnc.plot.save(nnc.plot.confusion_matrix(y, predicted), folder / "confusion_matrix")
    nnc.plot.save(nnc.plot.digits(x[wrong], y[wrong], predicted[wrong]), folder / "mistakes")


def main():
    options = parse_arguments()
    nnc.set_num_threads(options.threads)
    nnc.set_random_seed(options.seed)
    train, test = nnc.datasets.load_mnist(DATA)
    if options.test:
        return print(result(nnc.load_model(options.test), "test", test))

    print("\n".join(f"{name:14}{value}" for name, value in vars(options).items()))
    model = build(options)
    model.summary()
    options.output.mkdir(parents=True, exist_ok=True)
    log = nnc.callbacks.CSVLogger(options.output / "history.csv")
    start = time.perf_counter()
    model.fit(*train, options.batch, options.epochs, validation_data=test, callbacks=[log])
    seconds = time.perf_counter() - start
    print(f"\n{seconds:.2f} s, {options.epochs * 60_000 / seconds:,.0f} samples/s, tests included")

    file = options.output / "model.safetensors"
    model.save(file)
    here = result(model, "test", test)
    command = [sys.executable, __file__, "--test", file]
    there = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"{result(model, 'training', train)}\n{here}\n{there} (of the saved model, in a new process)")
    if there != here:
        sys.exit("the loaded model is not the one that was saved")
    draw(model, *test, options.output)
    print(f"\nThe model, history.csv and the figures are in {options.output}")


if __name__ == "__main__":
    main()
