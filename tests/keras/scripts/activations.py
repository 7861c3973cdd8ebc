"""Every activation that both libraries have"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,))])
for name in ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh", "softplus", "softmax"):
    model.add(layers.Dense(6, activation=name))
model.add(layers.LeakyReLU(negative_slope=0.1))
model.add(layers.PReLU())
model.add(layers.ELU(0.5))
model.add(layers.Dense(1))
start(model)
model.compile(optimizer="sgd", loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "outputs": model.predict(x, verbose=0)}
