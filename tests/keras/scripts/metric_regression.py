"""Metrics RootMeanSquaredError, R2Score, MeanAbsolutePercentageError, CosineSimilarity, LogCoshError"""

import keras
from keras import layers

m = keras.metrics
model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(2)])
start(model)
model.compile(
    optimizer=keras.optimizers.SGD(0.05),
    loss="mse",
    metrics=[
        m.RootMeanSquaredError(),
        m.R2Score(name="r2"),
        m.R2Score(class_aggregation="variance_weighted_average", num_regressors=3, name="adjusted"),
        "mape",
        m.CosineSimilarity(),
        m.LogCoshError(),
        m.MeanSquaredLogarithmicError(),
    ],
    weighted_metrics=[m.RootMeanSquaredError(name="weighted"), m.R2Score(name="r2w")],
)
y = np.concatenate([t, 2 - t], axis=1)
history = model.fit(x, y, epochs=5, batch_size=15, shuffle=False, verbose=0, sample_weight=weights)
result = {"history": history.history, "evaluated": model.evaluate(x, y, verbose=0)}
