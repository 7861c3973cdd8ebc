"""Metrics whose result is an array: F1Score(average=None), several thresholds, custom classes"""

import csv
import os
import tempfile

import keras
from keras import layers

m = keras.metrics


class ErrorOfEach(m.Metric):
    def __init__(self, name="error_of_each"):
        super().__init__(name=name)
        self.errors = self.add_variable(shape=(3,), initializer="zeros", name="errors")
        self.count = self.add_variable(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.errors.assign_add(abs(y_true - y_pred).sum(0))
        self.count.assign_add(y_true.shape[0])

    def result(self):
        return self.errors / self.count


path = os.path.join(tempfile.mkdtemp(), "log.csv")
model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(
    optimizer="adam",
    loss="categorical_crossentropy",
    metrics=["accuracy", m.F1Score(name="f1"), m.Recall([0.2, 0.4], name="r"), ErrorOfEach()],
    weighted_metrics=[m.R2Score(class_aggregation=None, name="r2")],
)
history = model.fit(
    x,
    rows,
    epochs=3,
    batch_size=16,
    shuffle=False,
    verbose=0,
    sample_weight=weights,
    validation_split=0.25,
    callbacks=[keras.callbacks.CSVLogger(path), keras.callbacks.EarlyStopping("val_loss")],
)
with open(path) as file:
    columns = next(csv.reader(file))
result = {
    "history": history.history,
    "evaluated": model.evaluate(x, rows, verbose=0),
    "columns": columns,
}
