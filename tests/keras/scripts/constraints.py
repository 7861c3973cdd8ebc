"""MaxNorm, NonNeg, UnitNorm and MinMaxNorm on kernels, biases, gamma and beta"""

import keras
from keras import layers
from keras.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm

model = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        layers.Conv2D(5, 3, activation="relu", kernel_constraint=MaxNorm(0.5, axis=[0, 1, 2])),
        layers.BatchNormalization(gamma_constraint=MinMaxNorm(0.5, 1.0, rate=0.5), beta_constraint="non_neg"),
        layers.Flatten(),
        layers.Dense(7, "tanh", kernel_constraint=UnitNorm(), bias_constraint=NonNeg()),
        layers.LayerNormalization(gamma_constraint=keras.constraints.max_norm(1.5)),
        layers.Dense(3, "softmax", kernel_constraint=keras.constraints.get("max_norm")),
    ]
)
start(model)
optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
history = model.fit(images, ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history, "weights": model.get_weights()}
