"""AveragePooling2D, ZeroPadding2D, GlobalAveragePooling2D, GlobalMaxPooling2D"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        layers.ZeroPadding2D(1),
        layers.Conv2D(4, 3),
        layers.AveragePooling2D(2),
        layers.Conv2D(5, 2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1),
    ]
)
start(model)
model.compile(optimizer="sgd", loss="mse")
history = model.fit(images, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "outputs": model.predict(images, verbose=0)}
