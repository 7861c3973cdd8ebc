"""sample_weight in fit and evaluate"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer="sgd", loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0, sample_weight=weights)
result = {"history": history.history, "evaluated": model.evaluate(x, t, sample_weight=weights, verbose=0)}
