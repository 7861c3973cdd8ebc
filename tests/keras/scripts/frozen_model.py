"""model.trainable = False, and a layer that is unfrozen again"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
start(model)
model.trainable = False
frozen = [layer.trainable for layer in model.layers]
model.trainable = True
model.layers[0].trainable = False
model.compile(optimizer="sgd", loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"frozen": frozen, "history": history.history}
