"""Targets as (n,), (n, 1), lists, bool, int, float64; class ids of several dtypes"""

import keras
from keras import layers

histories = []
for loss, activation, targets in (
    ("mse", None, t[:, 0]),
    ("mse", None, t.astype("float64")),
    ("mae", None, [float(value) for value in t[:, 0]]),
    ("binary_crossentropy", "sigmoid", bits[:, 0].astype(int)),
    ("binary_crossentropy", "sigmoid", bits.astype(bool)),
    ("hinge", "tanh", bits),
    ("hinge", "tanh", 2 * bits - 1),
    ("squared_hinge", "tanh", bits[:, 0]),
):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, activation)])
    start(model)
    model.compile("sgd", loss, metrics=["accuracy"] if "binary" in loss else ["mae"])
    y = np.array(targets)
    history = model.fit(
        x, y, epochs=2, batch_size=16, shuffle=False, verbose=0, validation_data=(x[:9], y[:9])
    )
    histories.append(history.history)
for targets in (ids, ids[:, None], ids.astype("float32"), ids.astype("uint8")):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    start(model)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, targets, epochs=2, batch_size=16, shuffle=False, verbose=0)
    histories.append(history.history)
result = {"histories": histories}
