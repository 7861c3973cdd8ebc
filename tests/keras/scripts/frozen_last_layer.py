"""A frozen layer after a trainable one, with global clipping"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(8, activation="tanh"),
        layers.Dense(4, activation="relu"),
        layers.Dense(1),
    ]
)
start(model)
model.layers[1].trainable = False
model.compile(optimizer=keras.optimizers.Adam(0.01, global_clipnorm=0.1), loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "outputs": model.predict(x, verbose=0)}
