"""Initializers Identity and Constant of an array, an array as an initializer; dtype as an argument"""

import keras
from keras import layers

values = np.linspace(-1.0, 1.0, 24, dtype="float32").reshape(6, 4)
model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(
            4, kernel_initializer=values, bias_initializer=keras.initializers.Constant([1.0, 2.0, 3.0, 4.0])
        ),
        layers.Dense(4, kernel_initializer=keras.initializers.Identity(0.5)),
        layers.Dense(1, kernel_initializer="ones"),
    ]
)
model.compile(optimizer="sgd", loss="mse")
history = model.fit(x, t, epochs=2, batch_size=16, shuffle=False, verbose=0)
zeros = keras.initializers.get("zeros")((2, 3), "float32")
result = {"history": history.history, "outputs": model.predict(x, verbose=0), "zeros": np.array(zeros)}
