"""Losses as metrics: cross-entropies, KLDivergence, Poisson, hinges"""

import keras
from keras import layers

m = keras.metrics
model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(
    optimizer="adam",
    loss="categorical_crossentropy",
    metrics=[
        m.CategoricalCrossentropy(label_smoothing=0.1, name="smooth"),
        "binary_crossentropy",
        m.KLDivergence(),
        m.Poisson(),
        m.Hinge(),
        m.SquaredHinge(),
        m.CategoricalHinge(),
    ],
)
history = model.fit(x, rows, epochs=5, batch_size=16, shuffle=False, verbose=0)
sparse = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
start(sparse)
sparse.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[m.SparseCategoricalCrossentropy(from_logits=True, name="same"), "accuracy"],
)
other = sparse.fit(x, ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "sparse": other.history}
