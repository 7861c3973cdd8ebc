"""LayerNormalization over several axes"""

import keras
from keras import layers

model = keras.Sequential(
    [keras.Input((4, 5)), layers.LayerNormalization(axis=[1, 2]), layers.Flatten(), layers.Dense(1)]
)
start(model)
model.compile(optimizer="adam", loss="mse")
grid = x5.reshape(-1, 4, 5)
history = model.fit(grid, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "history": history.history,
    "shapes": [w.shape for w in model.get_weights()],
    "gamma": model.get_weights()[0],
}
