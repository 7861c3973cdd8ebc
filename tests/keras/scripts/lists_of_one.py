"""Lists of one loss and one list of metrics"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer="sgd", loss=["mse"], metrics=[["mae"]])
history = model.fit(x, t, epochs=2, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history}
