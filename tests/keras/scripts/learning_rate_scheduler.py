"""LearningRateScheduler"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0, callbacks=[halve])
result = {"loss": history.history["loss"]}
