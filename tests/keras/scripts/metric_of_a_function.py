"""Metrics that are Python functions, per row and per batch"""

import keras
from keras import layers


def within(y_true, y_pred):
    return abs(y_true - y_pred) < 0.5


def largest(y_true, y_pred):
    return abs(y_true - y_pred).max()


model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
start(model)
model.compile(optimizer="adam", loss="mse", metrics=[within, "mae", largest])
history = model.fit(
    x, t, epochs=5, batch_size=15, shuffle=False, verbose=0, validation_split=0.25, validation_batch_size=7
)
result = {
    "history": history.history,
    "evaluated": model.evaluate(x, t, verbose=0),
    "with batch size": model.evaluate(x, t, verbose=0, batch_size=10, return_dict=True),
}
