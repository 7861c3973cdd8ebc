"""CSVLogger's columns in Keras's order"""

import csv
import os
import tempfile

import keras
from keras import layers

path = os.path.join(tempfile.mkdtemp(), "log.csv")
model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer="sgd", loss="mse", metrics=["mse", "accuracy"])
model.fit(
    x,
    t,
    epochs=2,
    batch_size=16,
    shuffle=False,
    verbose=0,
    validation_split=0.25,
    callbacks=[keras.callbacks.CSVLogger(path)],
)
with open(path) as file:
    result = {"columns": next(csv.reader(file))}
