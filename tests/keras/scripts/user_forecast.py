"""A user's script: a time series in windows, dilated causal convolutions, a forecast step by step"""

import keras
from keras import layers

series = np.sin(np.arange(80) / 5).astype("float32")
window = 10
xs = np.stack([series[i : i + window] for i in range(len(series) - window)])[..., None]
ys = series[window:]
model = keras.Sequential(
    [
        keras.Input((window, 1)),
        layers.Conv1D(6, 3, padding="causal", activation="relu", dilation_rate=1),
        layers.Conv1D(6, 3, padding="causal", activation="relu", dilation_rate=2),
        layers.MaxPooling1D(2),
        layers.Flatten(),
        layers.Dense(1),
    ]
)
start(model)
optimizer = keras.optimizers.SGD(learning_rate=1e-2, momentum=0.9)
model.compile(loss=keras.losses.Huber(), optimizer=optimizer, metrics=["mae"])
history = model.fit(
    xs[:56],
    ys[:56],
    epochs=4,
    batch_size=8,
    shuffle=False,
    verbose=0,
    validation_data=(xs[56:], ys[56:]),
)
forecast, last = [], xs[-1:]
for _ in range(5):
    following = model.predict(last, verbose=0)
    forecast.append(float(following[0, 0]))
    last = np.concatenate([last[:, 1:], following[:, :, None]], axis=1)
result = {"history": history.history, "forecast": forecast}
