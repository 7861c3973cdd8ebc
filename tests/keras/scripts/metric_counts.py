"""Metrics TruePositives, TrueNegatives, FalsePositives, FalseNegatives, PrecisionAtRecall and similar ones"""

import keras
from keras import layers

m = keras.metrics
model = keras.Sequential([keras.Input((6,)), layers.Dense(1, activation="sigmoid")])
start(model)
model.compile(
    optimizer="sgd",
    loss="binary_crossentropy",
    metrics=[
        m.TruePositives(name="tp"),
        m.TrueNegatives(name="tn"),
        m.FalsePositives(thresholds=0.4, name="fp"),
        m.FalseNegatives(name="fn"),
        m.PrecisionAtRecall(0.7, name="a"),
        m.RecallAtPrecision(0.6, name="b"),
        m.SensitivityAtSpecificity(0.5, num_thresholds=50, name="c"),
        m.SpecificityAtSensitivity(0.5, name="d"),
    ],
)
history = model.fit(x, bits, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "evaluated": model.evaluate(x, bits, verbose=0)}
