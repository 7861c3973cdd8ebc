"""Custom metrics whose result is a dict: each entry is in the logs under its own key"""

import keras
from keras import layers


class Quantities(keras.metrics.Metric):
    def __init__(self, name="quantities"):
        super().__init__(name=name)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.squares = self.add_weight(name="squares", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add((y_true - y_pred).sum())
        self.squares.assign_add(((y_true - y_pred) ** 2).sum())
        self.count.assign_add(len(y_true))

    def result(self):
        return {"spread": self.squares / self.count, "bias": self.total / self.count}


model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "tanh"), layers.Dense(1)])
start(model)
model.compile(optimizer="adam", loss="mse", metrics=[Quantities(), "mae"])
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, validation_split=0.25, verbose=0).history
result = {
    "history": history,
    "evaluated": model.evaluate(x, t, verbose=0, return_dict=True),
}
