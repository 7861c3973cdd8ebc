"""MNIST with a convolutional network
==================================

Train a convolutional network on MNIST, plot its internals, save it, and test the saved model.

Five convolutions with batch normalization, two poolings and three dense layers, 43 million operations per
image. In training, the images are randomly shifted and rotated a little in each epoch, and the learning rate
follows a one-cycle schedule; --plain trains on the unchanged images. The net is tested after its last epoch.

::

    python examples/mnist_cnn.py
    python examples/mnist_cnn.py --quick
    python examples/mnist_cnn.py --plain --epochs 20
    python examples/mnist_cnn.py --test results/mnist_cnn/model.safetensors
"""

import argparse
import time
from pathlib import Path

import nnc
from nnc import layers

DATA = Path(__file__).parent / "data" / "mnist"


def parse_arguments():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--epochs", type=int, default=12, help="epochs of training")
    add("--batch", type=int, default=64, help="batch size")
    add("--learning-rate", type=float, default=0.003, help="highest learning rate of Adam")
    add("--plain", action="store_true", help="no shifts and rotations; a constant learning rate, a third")
    add("--shift", type=float, default=0.08, help="largest shift, as a fraction of the image")
    add("--turn", type=float, default=0.03, help="largest rotation, as a fraction of a full turn")
    add("--dropout", type=float, default=0.2, help="dropout rate before each of the last two layers")
    add("--train", type=int, default=60_000, help="number of training images to use")
    add("--precision", choices=["float32", "bfloat16"], default="float32", help="precision of products")
    add("--seed", type=int, default=0, help="seed of the weights, shuffles, shifts and rotations")
    add("--output", type=Path, default="results/mnist_cnn", help="folder for the results")
    add("--quick", action="store_true", help="2 epochs on 3,000 images")
    add("--test", type=Path, metavar="FILE", help="only load this model and test it")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.train = 2, 3_000
    return options


def convolution(filters, padding="valid"):
    """A convolution without a bias, since batch normalization adds one."""
    return [
        layers.Conv2D(filters, 3, padding=padding, use_bias=False, kernel_initializer="he_normal"),
        layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
        layers.Activation("relu"),
    ]


def build(options):
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Rescaling(1 / 255), layers.Reshape((28, 28, 1))])
    if not options.plain:
        model.add(layers.RandomRotation(options.turn, fill_mode="constant"))
        model.add(layers.RandomTranslation(options.shift, options.shift, fill_mode="constant"))
    first = [*convolution(16), *convolution(16), layers.MaxPooling2D()]
    second = [*convolution(64), *convolution(64), *convolution(64, "same"), layers.MaxPooling2D()]
    for layer in (*first, *second, layers.Flatten()):
        model.add(layer)
    for _ in range(2):
        model.add(layers.Dense(128, "relu", kernel_initializer="he_normal"))
        if not options.plain:
            model.add(layers.Dropout(options.dropout))
    model.add(layers.Dense(10))
    steps = options.epochs * -(-options.train // options.batch)
    highest = options.learning_rate
    rate = highest / 3 if options.plain else nnc.schedules.OneCycle(highest, steps)
    loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
    adam = nnc.optimizers.Adam(rate)
    model.compile(adam, loss, metrics=["accuracy"], precision=options.precision)
    return model


def result(model, name, images):
    loss, accuracy = model.evaluate(*images)
    return f"{name} loss {loss:.6f}, {name} accuracy {accuracy:.4f}"


def draw(model, x, y, folder):
    predicted = model.predict(x)
    wrong = predicted.argmax(axis=1) != y
    first = int(len(model.history.epoch) > 2)
    nnc.plot.save(nnc.plot.history(model, first, validation="test"), folder / "curves")
    nnc.plot.save(nnc.plot.confusion_matrix(y, predicted), folder / "confusion_matrix")
    nnc.plot.save(nnc.plot.digits(x[wrong], y[wrong], predicted[wrong]), folder / "mistakes")
    nnc.plot.save(nnc.plot.filters(model), folder / "filters")
    nnc.plot.save(nnc.plot.feature_maps(model, x[0]), folder / "feature_maps")


def main():
    options = parse_arguments()
    nnc.set_random_seed(options.seed)
    train, test = nnc.datasets.load_mnist(DATA)
    if options.test:
        return print(result(nnc.load_model(options.test), "test", test))

    print("\n".join(f"{name:14}{value}" for name, value in vars(options).items()))
    train = train[0][: options.train], train[1][: options.train]
    model = build(options)
    model.summary()
    options.output.mkdir(parents=True, exist_ok=True)
    log = nnc.callbacks.CSVLogger(options.output / "history.csv")
    start = time.perf_counter()
    model.fit(*train, options.batch, options.epochs, validation_data=test, callbacks=[log])
    seconds = time.perf_counter() - start
    print(f"\n{seconds:.2f} s, {options.epochs * len(train[0]) / seconds:,.0f} samples/s, tests included")

    file = options.output / "model.safetensors"
    model.save(file)
    print(f"{result(nnc.load_model(file), 'test', test)} (of the saved model)")
    draw(model, *test, options.output)
    print(f"\nThe model, history.csv and the figures are in {options.output}")


if __name__ == "__main__":
    main()
