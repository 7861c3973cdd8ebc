"""Rescaling, Reshape, SpatialDropout2D and Dropout in inference"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((20,)),
        layers.Rescaling(0.5, offset=0.1),
        layers.Reshape((2, 2, 5)),
        layers.SpatialDropout2D(0.5),
        layers.Flatten(),
        layers.Dropout(0.5, seed=3),
        layers.Dense(2),
    ]
)
start(model)
result = {"outputs": model.predict(x5, verbose=0)}
