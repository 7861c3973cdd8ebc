"""A loss called on arrays, with one weight for all rows"""

import keras

loss = keras.losses.MeanSquaredError()
result = {"value": float(loss(t, t + x[:, :1], sample_weight=2.3)), "plain": float(loss(t, t + x[:, :1]))}
