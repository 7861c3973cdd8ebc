"""Recurrent layers

Refused: the message names what to use.
"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((12, 3)), layers.LSTM(4)])
result = {}
