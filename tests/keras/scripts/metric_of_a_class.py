"""Custom metric classes: update_state, result, reset_state, add_weight, sample weights"""

import keras
from keras import layers


class Within(keras.metrics.Metric):
    def __init__(self, bound=0.5, name="within", **kwargs):
        super().__init__(name=name, **kwargs)
        self.bound = bound
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.total = self.add_variable(shape=(), initializer="zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        hit = abs(y_true - y_pred)[:, 0] < self.bound
        if sample_weight is None:
            self.hits.assign_add(hit.sum())
            self.total.assign(self.total + hit.shape[0])
        else:
            self.hits.assign_add((hit * sample_weight).sum())
            self.total.assign_add(sample_weight.sum())

    def result(self):
        return self.hits / self.total


class Counted(keras.metrics.MeanSquaredError):
    def result(self):
        return 10 * super().result()


model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
start(model)
model.compile(
    optimizer="adam",
    loss="mse",
    metrics=[Within(), Counted(name="ten")],
    weighted_metrics=[Within(0.25, name="weighted")],
)
stop = keras.callbacks.EarlyStopping(monitor="val_within", mode="max", patience=2, restore_best_weights=True)
history = model.fit(
    x,
    t,
    epochs=12,
    batch_size=15,
    shuffle=False,
    verbose=0,
    validation_split=0.25,
    sample_weight=weights,
    callbacks=[stop],
)
result = {"history": history.history, "evaluated": model.evaluate(x, t, verbose=0, sample_weight=weights)}
