"""ReduceLROnPlateau"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.3), loss="mse")
slower = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=0.1)
history = model.fit(x, t, epochs=6, batch_size=16, shuffle=False, verbose=0, callbacks=[slower])
result = {"loss": history.history["loss"]}
