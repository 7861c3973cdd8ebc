"""A typical user's program: mypy and pyright find no error in it, and it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nnc
from nnc import (
    callbacks,
    datasets,
    functional,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    plot,
    regularizers,
    schedules,
    search,
    tables,
    utils,
)
from nnc.layers import Dense, Dropout


class Ratio(callbacks.Callback):
    """Adds a number to the logs and ends the run depending on it."""

    def __init__(self, largest: float) -> None:
        self.largest = largest

    def on_epoch_end(self, epoch: int, logs: callbacks.Logs | None = None) -> None:
        if logs is not None and "val_loss" in logs:
            logs["ratio"] = logs["val_loss"] / logs["loss"]
            if logs["ratio"] > self.largest:
                self.model.stop_training = True


def absolute(y_true: NDArray[Any], y_pred: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A custom loss: the value of each row, and its gradient."""
    error = y_pred - y_true
    return np.abs(error).sum(axis=1), np.sign(error)


def halved(epoch: int, rate: float) -> float:
    return rate * 0.5 ** (epoch // 2)


def train_a_dense_net(folder: Path) -> None:
    x, y = datasets.load_iris()
    x = utils.normalize(x, axis=0)
    nnc.set_random_seed(1)

    model = nnc.Sequential(
        [
            nnc.Input((4,)),
            Dense(16, activation="relu", kernel_initializer="he_normal", kernel_regularizer="l2"),
            Dropout(0.1),
            Dense(8, kernel_regularizer=regularizers.L2(1e-4)),
            layers.LeakyReLU(0.1),
            Dense(3, activation="softmax", kernel_initializer=initializers.GlorotUniform(seed=3)),
        ],
        name="flowers",
        seed=1,
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    history = model.fit(
        x,
        y,
        batch_size=16,
        epochs=6,
        validation_split=0.2,
        class_weight={0: 1.0, 1: 2.0},
        callbacks=[
            Ratio(100.0),
            callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
            callbacks.ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
            callbacks.LearningRateScheduler(halved),
            callbacks.CSVLogger(folder / "log.csv"),
            callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs)),
        ],
        verbose=0,
    )
    ratios: list[float] = history.history["ratio"]
    print(f"{max(ratios):.3f} {history.epoch[-1]} {history.params['epochs']}")

    loss, accuracy = model.evaluate(x, y, verbose=0)
    print(f"{loss:.3f} {accuracy:.1%}")
    print(model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] + 1)
    outputs = model.predict(x, batch_size=50)
    wrong = np.flatnonzero(outputs.argmax(axis=1) != y)
    print(outputs.shape[1], len(wrong))
    print(model.predict([[5.1, 3.5, 1.4, 0.2]])[0, 0])

    weights = model.get_weights()
    model.set_weights([w * 0.5 for w in weights])
    model.save(folder / "flowers.safetensors")
    again = nnc.load_model(str(folder / "flowers.safetensors"))
    print(again.count_params(), again.get_layer("dense").name, again.output_shape)

    figure = plot.history(history)
    print(plot.save(figure, folder / "curves", formats=("png",)))
    plot.save(plot.confusion_matrix(y, outputs, class_names=datasets.iris.CLASS_NAMES), folder / "confusion")
    plot.save(plot.weights(model), folder / "weights")


def train_a_convolutional_net() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 1), dtype=np.uint8)
    ids = [int(i) for i in np.arange(40) % 4]

    model = nnc.Sequential(seed=2)
    model.add(nnc.Input(shape=(12, 12, 1)))
    model.add(layers.Rescaling(1 / 255))
    model.add(layers.RandomTranslation(0.1, (-0.1, 0.1), fill_mode="nearest"))
    model.add(layers.Conv2D(8, (3, 3), padding="same", use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.Activation("relu"))
    model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(4))
    model.compile(
        optimizers.SGD(schedules.CosineDecay(0.1, decay_steps=20), momentum=0.9, nesterov=True, clipnorm=1.0),
        losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=[metrics.CategoricalAccuracy(), "mse"],
    )
    rows = utils.to_categorical(ids, num_classes=4)
    weights = np.ones(40)
    model.fit(images, rows, epochs=2, validation_data=(images, rows), sample_weight=weights, verbose=0)
    print(model.train_on_batch(images[:8], rows[:8]))
    print(model.test_on_batch(images, rows, return_dict=True))

    def batches() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        while True:
            yield images[:8], rows[:8]

    model.fit(batches(), steps_per_epoch=3, epochs=2, verbose=0, callbacks=callbacks.TerminateOnNaN())
    plot.filters(model, n=4)
    print(model.layer_output(images, 3).shape)


def train_with_a_loss_of_ones_own() -> None:
    x = np.linspace(-1, 1, 30).reshape(-1, 1)
    model = nnc.Sequential([Dense(1)])
    model.compile(optimizers.RMSprop(0.01), absolute, backend="reference")
    with nnc.threads(1):
        history = model.fit(x, 3 * x, epochs=3, verbose=0)
    print(history.history["loss"][-1])


def build(params: dict[str, Any]) -> nnc.Sequential:
    model = nnc.Sequential([Dense(params["units"], params["activation"]), Dense(3, "softmax")])
    model.compile(optimizers.Adam(params["rate"]), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def find_the_best(folder: Path) -> None:
    x, y = datasets.load_iris()
    space = {
        "units": search.integers(4, 20),
        "activation": ["relu", "tanh"],
        "rate": search.loguniform(1e-3, 1e-1),
    }
    result = search.RandomSearch(build, space, 3, metric="val_accuracy", folds=2, epochs=2, verbose=0).run(
        x, y
    )
    print(result.best_params["units"], round(result.best_score, 3), len(result.trials))
    result.to_csv(folder / "trials.csv")
    print(tables.markdown(result.table, digits=3))
    plot.save(search.plots.parameters(result), folder / "trials")


def loop_of_ones_own() -> None:
    x, y = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
    w = np.zeros((2, 1), np.float32)
    a = functional.dense(x, w, np.zeros(1, np.float32))
    value, da = functional.loss(losses.MeanSquaredError().spec(), y, a)
    _, dw, _ = functional.dense_backward(x, w, da)
    functional.update(optimizers.SGD(0.1).spec(), w, dw, [], learning_rate=0.1, step=0)
    print(value, nnc.get_num_threads(), nnc.__version__.split("."))


def main(folder: Path) -> None:
    train_a_dense_net(folder)
    train_a_convolutional_net()
    train_with_a_loss_of_ones_own()
    find_the_best(folder)
    loop_of_ones_own()


if __name__ == "__main__":
    main(Path("."))
