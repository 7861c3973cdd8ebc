"""Conv1D(groups=): several groups, depthwise"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((12, 3)),
        layers.Conv1D(6, 3, padding="same", groups=3, activation="relu"),
        layers.Conv1D(6, 2, padding="causal", dilation_rate=2, groups=6),
        layers.Conv1D(4, 3, strides=2, groups=2, activation="tanh", use_bias=False),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1),
    ]
)
start(model)
model.compile(optimizer="sgd", loss="mse")
history = model.fit(signals, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "history": history.history,
    "shapes": [w.shape for w in model.get_weights()],
    "parameters": model.count_params(),
    "outputs": model.predict(signals, verbose=0),
}
