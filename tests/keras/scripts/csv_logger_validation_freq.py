"""CSVLogger with validation_freq: NA for missing values"""

import csv
import os
import tempfile

import keras
from keras import layers

path = os.path.join(tempfile.mkdtemp(), "log.csv")
model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
model.fit(
    x[:48],
    t[:48],
    epochs=4,
    batch_size=16,
    shuffle=False,
    verbose=0,
    validation_data=(x[48:], t[48:]),
    validation_freq=2,
    callbacks=[keras.callbacks.CSVLogger(path)],
)
with open(path) as file:
    rows = list(csv.DictReader(file))
result = {
    "columns": list(rows[0]),
    "rows": [[None if value == "NA" else float(value) for value in row.values()] for row in rows],
}
