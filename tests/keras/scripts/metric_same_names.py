"""Metrics of the same name are numbered; weighted ones get a prefix"""

import keras
from keras import layers

m = keras.metrics
model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(
    optimizer="adam",
    loss="categorical_crossentropy",
    metrics=[m.Recall(0.3, name="r"), m.Recall(0.4, name="r"), "mae", "mae", m.Recall(0.45, name="r")],
    weighted_metrics=["mae", m.Recall(0.3, name="r"), "mse", "mse", "mae"],
)
history = model.fit(
    x, rows, epochs=3, batch_size=16, shuffle=False, verbose=0, sample_weight=weights, validation_split=0.25
)
result = {"history": history.history, "evaluated": model.evaluate(x, rows, verbose=0, return_dict=True)}
