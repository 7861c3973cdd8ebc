"""Recurrent layers

Refused: the error message names an alternative.
"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((12, 3)), layers.LSTM(4)])
result = {}
