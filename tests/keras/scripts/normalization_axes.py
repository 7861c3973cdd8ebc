"""Normalization: any axes, axis=None, invert=True, given and adapted"""

import keras
from keras import layers

results = []
for axis in (1, -2, 3, [1, 3], [1, 2, 3], None):
    for invert in (False, True):
        norm = layers.Normalization(axis=axis, invert=invert)
        norm.adapt(images)
        results += [np.array(norm(images)), *(np.array(w) for w in norm.get_weights()[:2])]
given = layers.Normalization(
    axis=1, mean=[1.0] * images.shape[1], variance=[4.0] * images.shape[1], invert=True
)
norm = layers.Normalization(axis=[1, 3])
norm.adapt(images)
model = keras.Sequential([keras.Input(images.shape[1:]), layers.Conv2D(3, 2), layers.Flatten()])
model.add(layers.Dense(3, "softmax"))
start(model)
model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
history = model.fit(np.array(norm(images)), ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "results": results, "given": np.array(given(images))}
