"""Input(batch_shape=), a schedule with a name, relu6 as a function"""

import keras
from keras import layers

rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5, name="rate")
model = keras.Sequential(
    [keras.Input(batch_shape=(None, 6)), layers.Dense(5, activation=keras.activations.relu6), layers.Dense(1)]
)
start(model)
model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
history = model.fit(x, t, epochs=3, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "predictions": model.predict(x, verbose=0), "in": model.input_shape}
