"""BatchNormalization"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(8, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.Dense(1),
    ]
)
start(model)
model.compile(optimizer="adam", loss="mse")
history = model.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0, validation_split=0.25)
result = {"history": history.history, "weights": model.get_weights()}
