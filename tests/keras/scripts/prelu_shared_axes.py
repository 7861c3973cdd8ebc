"""PReLU(shared_axes=): one slope for each channel, for each row, for all values"""

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input(images.shape[1:]),
        layers.Conv2D(4, 3),
        layers.PReLU("random_uniform", shared_axes=[1, 2]),
        layers.Conv2D(3, 2),
        layers.PReLU("random_uniform", alpha_regularizer="l2", shared_axes=[2, 3]),
        layers.Flatten(),
        layers.Dense(5),
        layers.PReLU(keras.initializers.Constant(0.25), shared_axes=1),
        layers.Dense(3, "softmax"),
    ]
)
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss="sparse_categorical_crossentropy")
history = model.fit(images, ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "history": history.history,
    "outputs": model.predict(images, verbose=0),
    "slopes": [np.array(model.layers[i].get_weights()[0]) for i in (1, 3, 6)],
}
