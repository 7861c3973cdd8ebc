"""A frozen BatchNormalization runs in inference mode"""

import keras
from keras import layers

model = keras.Sequential(
    [keras.Input((6,)), layers.Dense(8), layers.BatchNormalization(momentum=0.7), layers.Dense(1)]
)
start(model)
model.layers[1].trainable = False
model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "weights": model.get_weights()}
