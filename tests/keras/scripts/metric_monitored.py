"""ModelCheckpoint and EarlyStopping infer from the metric that a larger AUC is better"""

import os
import tempfile

import keras
from keras import layers

path = os.path.join(tempfile.mkdtemp(), "best.keras")
model = keras.Sequential([keras.Input((6,)), layers.Dense(1, activation="sigmoid")])
start(model)
model.compile(
    optimizer=keras.optimizers.SGD(0.5), loss="binary_crossentropy", metrics=[keras.metrics.AUC(name="area")]
)
best = keras.callbacks.ModelCheckpoint(path, monitor="val_area", save_best_only=True)
stop = keras.callbacks.EarlyStopping(monitor="val_area", patience=3)
history = model.fit(
    x,
    bits,
    epochs=10,
    batch_size=16,
    shuffle=False,
    verbose=0,
    validation_split=0.25,
    callbacks=[best, stop],
)
again = keras.models.load_model(path)
result = {"history": history.history, "evaluated": again.evaluate(x, bits, verbose=0)}
