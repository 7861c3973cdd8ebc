"""CosineDecay and PiecewiseConstantDecay"""

import keras
from keras import layers

outputs = []
for rate in (
    keras.optimizers.schedules.CosineDecay(0.1, 15),
    keras.optimizers.schedules.PiecewiseConstantDecay([5, 10], [0.1, 0.05, 0.01]),
):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    start(model)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
    model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
    outputs.append(model.predict(x, verbose=0))
result = {"outputs": outputs}
