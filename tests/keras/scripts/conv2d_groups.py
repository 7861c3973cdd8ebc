"""Conv2D(groups=): several groups, depthwise, depthwise with several filters each"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        layers.Conv2D(6, 3, groups=3, activation="relu"),
        layers.Conv2D(6, (3, 2), padding="same", groups=6, use_bias=False),
        layers.Conv2D(8, 3, strides=2, groups=2, activation="tanh"),
        layers.Conv2D(16, 2, padding="same", dilation_rate=(1, 2), groups=8),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]
)
start(model)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(images, ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "history": history.history,
    "shapes": [w.shape for w in model.get_weights()],
    "parameters": model.count_params(),
    "output shape": model.compute_output_shape((None, 8, 8, 3)),
    "groups": model.layers[0].get_config()["groups"],
    "outputs": model.predict(images, verbose=0),
}
