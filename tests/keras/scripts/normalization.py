"""Normalization: adapted, given, over several axes; UnitNormalization"""

import keras
from keras import layers

norm = layers.Normalization()
norm.adapt(x)
maps = layers.Normalization(axis=None)
maps.adapt(images)
given = layers.Normalization(mean=[1.0] * 6, variance=[4.0] * 6)
model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(8, "relu"),
        layers.UnitNormalization(),
        layers.Dense(3, "softmax"),
    ]
)
start(model)
model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
inputs = np.array(norm(x))
history = model.fit(inputs, ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "history": history.history,
    "inputs": inputs,
    "maps": np.array(maps(images)),
    "given": np.array(given(x)),
    "mean": np.ravel(np.array(norm.mean)),
    "lengths": np.array(layers.UnitNormalization(axis=[1, 2, 3])(images)),
}
