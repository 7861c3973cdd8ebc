"""Dense(trainable=False)"""

import keras
from keras import layers

model = keras.Sequential(
    [keras.Input((6,)), layers.Dense(8, activation="tanh", trainable=False), layers.Dense(1)]
)
start(model)
model.compile(optimizer="adam", loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "trainable": [layer.trainable for layer in model.layers]}
