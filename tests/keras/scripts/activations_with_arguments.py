"""Activations called with further arguments: relu, leaky_relu, elu, celu, gelu, softmax, soft_shrink"""

from keras import activations

z = x[:8]
found = [
    activations.relu(z, negative_slope=0.1, max_value=1.0, threshold=0.5),
    activations.relu(z, 0.2),
    activations.leaky_relu(z, negative_slope=0.3),
    activations.elu(z, alpha=0.5),
    activations.celu(z, 0.5),
    activations.gelu(z, approximate=True),
    activations.soft_shrink(z, threshold=0.3),
    activations.hard_shrink(z, 0.3),
    activations.softmax(z, axis=0),
    activations.softmax(images[:2], axis=(1, 2)),
]
result = {"found": [np.array(each) for each in found]}
