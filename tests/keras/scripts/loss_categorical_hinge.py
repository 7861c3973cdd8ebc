"""Loss CategoricalHinge"""

import keras
from keras import layers

model = keras.Sequential(
    [keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(3, activation="softmax")]
)
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.05), loss=keras.losses.CategoricalHinge())
history = model.fit(x, rows, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "outputs": model.predict(x, verbose=0)}
