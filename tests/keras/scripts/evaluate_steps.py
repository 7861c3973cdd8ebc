"""evaluate(steps=) and validation_steps without a batch size"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
history = model.fit(
    x, t, epochs=2, batch_size=16, shuffle=False, verbose=0, validation_data=(x, t), validation_steps=2
)
result = {"history": history.history, "evaluated": model.evaluate(x, t, steps=3, verbose=0)}
