"""Weights of layers: kernel, bias, get_weights, set_weights, weights"""

import keras
from keras import layers

model = keras.Sequential(
    [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dense(1)]
)
start(model)
dense = model.layers[0]
dense.set_weights([2 * dense.get_weights()[0], dense.get_weights()[1]])
result = {
    "kernel": np.array(dense.get_weights()[0]),
    "shapes": [tuple(w.shape) for w in model.weights],
    "trainable": len(model.trainable_weights),
    "others": len(model.non_trainable_weights),
    "outputs": model.predict(x, verbose=0),
    "shape": model.output_shape,
    "computed": dense.compute_output_shape((None, 6)),
}
