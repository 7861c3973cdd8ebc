"""A run that kills itself and is restarted: python resumed_run.py KIND FREQUENCY FILE KILL_AT

Trains a KIND of model with a checkpoint in FILE every FREQUENCY steps (or "epoch"), resuming from it if it
exists. In step KILL_AT, counted by the optimizer, the process kills itself; -1: never. Prints the SHA-256 of
the final weights and of the history.
"""

import hashlib
import os
import signal
import sys

import numpy as np

import nnc
from nnc import callbacks, layers, optimizers, schedules

RNG = np.random.default_rng(8)
X = RNG.normal(size=(50, 6)).astype(np.float32)
IDS = (X[:, 0] > 0).astype(np.int32) + (X[:, 1] > 0)
IMAGES = RNG.random((40, 6, 6, 1)).astype(np.float32)
IMAGE_IDS = RNG.integers(0, 3, 40).astype(np.int32)


def dense():
    model = nnc.Sequential([layers.Dense(9, "tanh"), layers.Dense(3, "softmax")])
    rate = schedules.ExponentialDecay(0.05, 7, 0.8)
    return model, optimizers.SGD(rate, momentum=0.9, nesterov=True), X, IDS, 6, []


def convolutional():
    shape = layers.Input((6, 6, 1))
    kernel = layers.Conv2D(4, 3, activation="relu")
    rest = [layers.BatchNormalization(), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3, "softmax")]
    model = nnc.Sequential([shape, layers.RandomTranslation(0.1, 0.1), kernel, *rest])
    return model, optimizers.RMSprop(0.01, momentum=0.5), IMAGES, IMAGE_IDS, 8, []


def dropout():
    inner = [layers.Dense(12, "relu"), layers.Dropout(0.4), layers.Dense(8, "gelu"), layers.Dropout(0.2)]
    model = nnc.Sequential([*inner, layers.Dense(3, "softmax")])
    return model, optimizers.Adam(0.02, amsgrad=True), X, IDS, 6, []


def early_stopping():
    model = nnc.Sequential([layers.Dense(16, "relu"), layers.Dropout(0.3), layers.Dense(3, "softmax")])
    watching = [
        callbacks.EarlyStopping("val_loss", patience=3, min_delta=0.02, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.02),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.97),
    ]
    return model, optimizers.Adam(0.02), X, IDS, 40, watching


class KillAt(callbacks.Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main(kind, frequency, path, kill_at):
    model, optimizer, x, y, epochs, watching = globals()[kind]()
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    save = callbacks.ModelCheckpoint(path, save_freq=frequency if frequency == "epoch" else int(frequency))
    resume_from = path if os.path.exists(path) else None
    given = [save, *watching, KillAt(int(kill_at))]
    history = model.fit(
        x, y, batch_size=8, epochs=epochs, validation_split=0.2, verbose=0, callbacks=given,
        resume_from=resume_from,
    )  # fmt: skip
    weights = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
    logs = hashlib.sha256(repr((history.epoch, history.history)).encode()).hexdigest()
    print(weights, logs, model.optimizer.iterations)


if __name__ == "__main__":
    nnc.set_random_seed(3)
    main(*sys.argv[1:])
