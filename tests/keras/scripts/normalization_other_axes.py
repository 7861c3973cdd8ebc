"""BatchNormalization, UnitNormalization and Softmax along any axes; Permute"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((12, 3)),
        layers.BatchNormalization(axis=1),
        layers.Conv1D(4, 3, activation="tanh"),
        layers.Permute((2, 1)),
        layers.Dense(5, "relu"),
        layers.UnitNormalization(axis=1),
        layers.Softmax(axis=1),
        layers.Flatten(),
        layers.Dense(1),
    ]
)
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss="mse")
history = model.fit(signals, t, epochs=5, batch_size=16, shuffle=False, verbose=0)

maps = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(axis=2),
        layers.Permute((3, 1, 2)),
        layers.LayerNormalization(axis=(1, 2, 3)),
        layers.UnitNormalization(axis=[1, 3]),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ]
)
start(maps)
maps.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
second = maps.fit(images, ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "histories": [history.history, second.history],
    "shapes": [tuple(w.shape) for net in (model, maps) for w in net.weights],
    "outputs": [model.predict(signals, verbose=0), maps.predict(images, verbose=0)],
}
