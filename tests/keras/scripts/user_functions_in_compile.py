"""Functions such as keras.losses.mean_squared_error and keras.metrics.mean_absolute_error in compile"""

import keras
from keras import layers

histories = []
for loss, metrics in (
    (keras.losses.mean_squared_error, [keras.metrics.mean_absolute_error]),
    (keras.losses.MeanAbsoluteError(), ["mean_squared_error", keras.losses.mean_squared_logarithmic_error]),
    (keras.losses.huber, [keras.metrics.MeanAbsoluteError()]),
    (keras.losses.get("mse"), ["mae"]),
):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(4, keras.activations.relu),
            layers.Dense(1, keras.activations.softplus),
        ]
    )
    start(model)
    model.compile(optimizer="SGD", loss=loss, metrics=metrics)
    histories.append(model.fit(x, t**2, epochs=2, batch_size=16, shuffle=False, verbose=0).history)
result = {"histories": histories}
