"""A user's script: a callback that changes the learning rate and stops; the logs of every hook"""

import keras
from keras import layers


class Halve(keras.callbacks.Callback):
    def __init__(self, every):
        super().__init__()
        self.every = every
        self.seen = []

    def on_train_begin(self, logs=None):
        self.seen.append(["begin", sorted(logs or {})])

    def on_epoch_begin(self, epoch, logs=None):
        if epoch and epoch % self.every == 0:
            rate = float(self.model.optimizer.learning_rate)
            self.model.optimizer.learning_rate = rate / 2

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append([batch, sorted(logs)])

    def on_test_end(self, logs=None):
        self.seen.append(["test", sorted(logs)])

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append([epoch, logs["val_mae"], float(self.model.optimizer.learning_rate)])
        if epoch == 4:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.seen.append(["end", dict(logs)])


model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "relu"), layers.Dense(1)])
start(model)
model.compile("sgd", "mse", metrics=["mae"])
mine = Halve(2)
ended = []
also = keras.callbacks.LambdaCallback(on_train_end=lambda logs: ended.append(logs["val_loss"]))
history = model.fit(
    x,
    t,
    epochs=10,
    batch_size=32,
    shuffle=False,
    verbose=0,
    callbacks=[mine, also],
    validation_data=(x, t),
)
result = {"history": history.history, "seen": mine.seen, "ended": ended}
