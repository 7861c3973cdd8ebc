"""L1, L2 and L1L2 penalties"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(8, activation="relu", kernel_regularizer=keras.regularizers.L1(0.01)),
        layers.Dense(1, kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02), bias_regularizer="l2"),
    ]
)
start(model)
model.compile(optimizer="sgd", loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0, validation_split=0.25)
result = {"history": history.history, "evaluated": model.evaluate(x, t, verbose=0)}
