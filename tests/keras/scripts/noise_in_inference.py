"""GaussianNoise, GaussianDropout and RandomFlip in inference"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        layers.RandomFlip("horizontal", seed=1),
        layers.GaussianNoise(0.5),
        layers.Conv2D(4, 3, activation="relu"),
        layers.GaussianDropout(0.5, seed=2),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ]
)
start(model)
model.compile(loss="sparse_categorical_crossentropy")
result = {"outputs": model.predict(images, verbose=0), "evaluated": model.evaluate(images, ids, verbose=0)}
