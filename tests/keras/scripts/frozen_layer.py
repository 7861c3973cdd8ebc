"""layer.trainable = False before compile"""

import keras
from keras import layers

model = keras.Sequential(
    [keras.Input((6,)), layers.Dense(8, activation="tanh", kernel_regularizer="l2"), layers.Dense(1)]
)
start(model)
model.layers[0].trainable = False
model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss="mse")
before = model.get_weights()
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
kept = bool((model.get_weights()[0] == before[0]).all())
result = {"history": history.history, "outputs": model.predict(x, verbose=0), "kept": kept}
