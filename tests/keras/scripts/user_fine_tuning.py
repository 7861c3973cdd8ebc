"""A user's script: a frozen base, then fine-tuning with a frozen BatchNormalization and initial_epoch"""

import keras
from keras import layers

base = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
    ],
    name="base",
)
base.trainable = False
model = keras.Sequential([base, layers.Dense(3, "softmax")])
model.build((None, 8, 8, 3))
start(model)
model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
first = model.fit(images, ids, epochs=3, batch_size=16, shuffle=False, verbose=0)
counts = [len(model.trainable_weights), len(model.non_trainable_weights)]
base.trainable = True
for layer in base.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.trainable = False
model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
second = model.fit(images, ids, epochs=5, initial_epoch=3, batch_size=16, shuffle=False, verbose=0)
result = {
    "histories": [first.history, second.history],
    "epochs": second.epoch,
    "counts": [*counts, len(model.trainable_weights)],
}
