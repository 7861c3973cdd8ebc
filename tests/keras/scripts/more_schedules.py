"""PolynomialDecay and CosineDecayRestarts; optimizer.learning_rate as a variable"""

import keras
from keras import layers

schedules = keras.optimizers.schedules
results = []
for rate in (
    schedules.PolynomialDecay(0.1, 10, 0.01, power=2.0),
    schedules.PolynomialDecay(0.1, 5, 0.01, cycle=True),
    schedules.CosineDecayRestarts(0.1, 4, t_mul=2.0, m_mul=0.8, alpha=0.1),
):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    start(model)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
    results.append(model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0).history)
model.compile(optimizer="sgd", loss="mse")
before = float(model.optimizer.learning_rate.numpy())
model.optimizer.learning_rate.assign(0.005)
results.append(model.fit(x, t, epochs=2, batch_size=16, shuffle=False, verbose=0).history)
result = {"histories": results, "rates": [before, float(model.optimizer.learning_rate.numpy())]}
