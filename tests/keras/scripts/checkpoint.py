"""ModelCheckpoint and load_model"""

import os
import tempfile

import keras
from keras import layers

path = os.path.join(tempfile.mkdtemp(), "best.keras")
model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer="sgd", loss="mse")
model.fit(
    x,
    t,
    epochs=2,
    batch_size=16,
    shuffle=False,
    verbose=0,
    callbacks=[keras.callbacks.ModelCheckpoint(path, monitor="loss", save_best_only=True)],
)
loaded = keras.models.load_model(path)
result = {"outputs": loaded.predict(x, verbose=0)}
