"""Conv1D with each padding, MaxPooling1D, AveragePooling1D, GlobalAveragePooling1D"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((12, 3)),
        layers.Conv1D(5, 3, padding="same", activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(4, 2, padding="causal", dilation_rate=2),
        layers.Conv1D(4, 2, activation="tanh"),
        layers.AveragePooling1D(2, strides=1, padding="same"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1),
    ]
)
start(model)
model.compile(optimizer="adam", loss="mse")
history = model.fit(signals, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "history": history.history,
    "shapes": [w.shape for w in model.get_weights()],
    "outputs": model.predict(signals, verbose=0),
}
