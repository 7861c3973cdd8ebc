"""on_test_batch_* and on_predict_batch_* are called"""

import keras
from keras import layers


class Seen(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_test_batch_begin(self, batch, logs=None):
        self.calls.append(f"test begin {batch}")

    def on_test_batch_end(self, batch, logs=None):
        self.calls.append(f"test end {batch}")

    def on_predict_batch_end(self, batch, logs=None):
        self.calls.append(f"predict {batch} {logs['outputs'].shape}")


model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer="sgd", loss="mse")
seen = Seen()
model.fit(x, t, epochs=1, batch_size=16, verbose=0, validation_split=0.5, callbacks=[seen])
model.evaluate(x, t, batch_size=30, verbose=0, callbacks=[seen])
model.predict(x, batch_size=30, verbose=0, callbacks=[seen])
result = {"calls": seen.calls}
