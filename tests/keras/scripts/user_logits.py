"""A user's script: a model of logits, log_softmax, a probability model; training by hand in batches"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(16, "gelu"), layers.Dense(3)])
start(model)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
for _ in range(3):
    model.reset_metrics()
    for i in range(0, len(x), 20):
        model.train_on_batch(x[i : i + 20], ids[i : i + 20])
history = model.fit(x, ids, epochs=3, batch_size=16, shuffle=False, verbose=0)
logits = model.predict(x, verbose=0)
probabilities = keras.Sequential([model, layers.Softmax()])

logs = keras.Sequential(
    [keras.Input((6,)), layers.Dense(8, "log_softmax"), layers.Dense(3), layers.Activation("log_softmax")]
)
start(logs)
logs.compile("adam", loss)
second = logs.fit(x, ids, epochs=3, batch_size=16, shuffle=False, verbose=0)
result = {
    "histories": [history.history, second.history],
    "tempered": np.asarray(keras.activations.softmax(logits / 2.0)),
    "logs": np.asarray(keras.activations.log_softmax(logits)),
    "along": np.asarray(keras.activations.log_softmax(logits, axis=0)),
    "probabilities": probabilities.predict(x, verbose=0),
    "outputs": logs.predict(x, verbose=0),
}
