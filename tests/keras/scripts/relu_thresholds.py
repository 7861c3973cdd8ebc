"""ReLU(max_value=, negative_slope=, threshold=)"""

import keras
from keras import layers

relus = [
    layers.ReLU(0.8, 0.1, 0.2),
    layers.ReLU(threshold=0.3),
    layers.ReLU(1.0, 0.2),
    layers.ReLU(0.5, 0, 0.7),
]
model = keras.Sequential([keras.Input((6,))])
for relu in relus:
    model.add(layers.Dense(12))
    model.add(relu)
model.add(layers.Dense(1))
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.02), loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
steps = np.arange(-2.0, 2.0, 0.25, dtype="float32")[None]
result = {
    "history": history.history,
    "outputs": model.predict(x, verbose=0),
    "functions": [np.array(relu(steps)) for relu in (layers.ReLU(1.0, 0.5, 0.5), layers.ReLU(0.0, 0.5, 1.0))],
}
