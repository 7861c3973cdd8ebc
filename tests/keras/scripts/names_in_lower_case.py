"""Functions and classes by lower-case names"""

import keras
from keras import layers

values = [keras.losses.mean_squared_error(rows, rows + 1), keras.losses.mean_absolute_error(rows, rows + 1)]
model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(
            2,
            kernel_regularizer=keras.regularizers.l1_l2(0.1, 0.2),
            kernel_initializer=keras.initializers.he_normal(seed=1),
        ),
    ]
)
result = {"values": [np.array(v) for v in values], "parameters": model.count_params()}
