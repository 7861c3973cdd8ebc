"""AdamW with a schedule"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="gelu"), layers.Dense(1)])
start(model)
rate = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
model.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01), loss="huber")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "outputs": model.predict(x, verbose=0)}
