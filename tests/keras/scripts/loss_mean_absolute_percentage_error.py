"""Loss and metric MeanAbsolutePercentageError"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
start(model)
model.compile(optimizer=keras.optimizers.SGD(1e-5), loss="mape", metrics=["mean_absolute_percentage_error"])
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "outputs": model.predict(x, verbose=0)}
