"""save("model.keras")

Refused: nnc writes safetensors files; the error message says so.
"""

import os
import tempfile

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.save(os.path.join(tempfile.mkdtemp(), "model.keras"))
result = {}
