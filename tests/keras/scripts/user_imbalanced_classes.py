"""A user's script: imbalanced classes, with class weights, an initial bias and eight metrics"""

import keras
from keras import layers

pos = bits.sum()
neg = len(bits) - pos
bias = keras.initializers.Constant(np.log([pos / neg]))
model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid", bias_initializer=bias),
    ]
)
first = np.array(model.layers[-1].get_weights()[1])
start(model)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=1e-2),
    loss=keras.losses.BinaryCrossentropy(),
    metrics=[
        keras.metrics.BinaryCrossentropy(name="cross entropy"),
        keras.metrics.MeanSquaredError(name="Brier score"),
        keras.metrics.BinaryAccuracy(name="accuracy"),
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.AUC(name="auc"),
        keras.metrics.AUC(name="prc", curve="PR"),
    ],
)
weight = {0: len(bits) / (2 * neg), 1: len(bits) / (2 * pos)}
history = model.fit(x, bits, batch_size=16, epochs=5, shuffle=False, verbose=0, class_weight=weight)
result = {"history": history.history, "bias": first, "evaluated": model.evaluate(x, bits, verbose=0)[-6:]}
