"""Dense on inputs of three axes"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((12, 3)),
        layers.Dense(5, activation="relu"),
        layers.Dense(2),
        layers.Flatten(),
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
