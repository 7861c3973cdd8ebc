"""EarlyStopping with the best weights"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
start(model)
model.compile(optimizer=keras.optimizers.SGD(0.3), loss="mse")
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
history = model.fit(
    x, t, epochs=10, batch_size=16, shuffle=False, verbose=0, validation_split=0.25, callbacks=[stop]
)
result = {"history": history.history, "outputs": model.predict(x, verbose=0)}
