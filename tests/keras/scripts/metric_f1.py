"""Metrics F1Score and FBetaScore: average, threshold"""

import keras
from keras import layers

m = keras.metrics
model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(
    optimizer="adam",
    loss="categorical_crossentropy",
    metrics=[
        m.F1Score(average="macro", name="macro"),
        m.F1Score(average="micro", threshold=0.4, name="micro"),
        m.F1Score(average="weighted", name="weighted"),
        m.FBetaScore(average="macro", beta=2.0, threshold=0.3, name="beta"),
    ],
)
history = model.fit(x, rows, epochs=5, batch_size=16, shuffle=False, verbose=0)
each = m.F1Score()
each.update_state(rows, abs(signals[:, 0, :]))
result = {"history": history.history, "each": [float(v) for v in each.result()]}
