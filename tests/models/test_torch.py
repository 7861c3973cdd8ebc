"""Fifty training steps compared with PyTorch, if it is installed: losses and weights stay close."""

import numpy as np
import pytest

import nnc
from nnc import layers, losses, optimizers

torch = pytest.importorskip("torch")
F = torch.nn.functional

ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "selu": F.selu,
    "elu": F.elu,
    "softplus": F.softplus,
}
LOSSES = {
    "crossentropy": (
        losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda a, y: F.cross_entropy(a, y),
    ),
    "euclidean": (
        losses.EuclideanLoss(),
        lambda a, y: 0.5 * ((a - F.one_hot(y, 10)) ** 2).sum() / len(a),
    ),
    "margin_hinge": (
        losses.MarginHinge(5.0),
        lambda a, y: 10 * F.multi_margin_loss(a, y, margin=5.0),
    ),
    "huber": (losses.Huber(0.5), lambda a, y: F.huber_loss(a, F.one_hot(y, 10).float(), delta=0.5)),
}
OPTIMIZERS = {
    "sgd": (optimizers.SGD(0.05), lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": (optimizers.SGD(0.02, momentum=0.9), lambda p: torch.optim.SGD(p, 0.02, momentum=0.9)),
    "nesterov": (
        optimizers.SGD(0.02, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True),
    ),
    "adam": (optimizers.Adam(1e-3, epsilon=1e-8), lambda p: torch.optim.Adam(p, 1e-3)),
    "adamw": (
        optimizers.AdamW(1e-3, weight_decay=0.01, epsilon=1e-8),
        lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.01),
    ),
}
CASES = (
    [(activation, "crossentropy", "momentum") for activation in ACTIVATIONS]
    + [("relu", loss, "sgd") for loss in LOSSES]
    + [("gelu", "crossentropy", optimizer) for optimizer in OPTIMIZERS]
)


@pytest.mark.parametrize(("activation", "loss", "optimizer"), CASES)
def test_fifty_steps(activation, loss, optimizer):
    our_loss, their_loss = LOSSES[loss]
    our_optimizer, their_optimizer = OPTIMIZERS[optimizer]
    x = np.random.default_rng(0).normal(size=(200, 30)).astype(np.float32)
    y = np.random.default_rng(1).integers(0, 10, 200)
    model = nnc.Sequential(
        [nnc.Input((30,)), layers.Dense(50, activation), layers.Dense(20, activation), layers.Dense(10)],
        seed=1,
    )
    model.compile(type(our_optimizer).from_config(our_optimizer.get_config()), our_loss)
    ids = np.eye(10, dtype=np.float32)[y] if loss == "huber" else y
    tensors = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    theirs = their_optimizer(tensors)
    for step in range(50):
        rows = slice(step * 40 % 200, step * 40 % 200 + 40)
        a = torch.from_numpy(x[rows])
        for i in range(0, 6, 2):
            a = a @ tensors[i] + tensors[i + 1]
            a = ACTIVATIONS[activation](a) if i < 4 else a
        value = their_loss(a, torch.from_numpy(y[rows]))
        theirs.zero_grad()
        value.backward()
        theirs.step()
        assert float(model.train_on_batch(x[rows], ids[rows])) == pytest.approx(value.item(), rel=2e-4)
    for ours, tensor in zip(model.get_weights(), tensors, strict=True):
        # The mean: Adam divides by the gradient's magnitude, so rounding dominates where it is nearly 0.
        assert np.abs(ours - tensor.detach().numpy()).mean() <= 1e-5


def test_twenty_steps_of_a_convolutional_net():
    """Strides, padding, both poolings, batch and layer normalization; moving statistics and inference."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 12, 10, 3)).astype(np.float32)
    y = rng.integers(0, 4, 64)
    model = nnc.Sequential(
        [
            nnc.Input((12, 10, 3)),
            layers.Conv2D(10, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(17, (3, 2), strides=(2, 1), activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.LayerNormalization(epsilon=1e-5),
            layers.Dense(4),
        ],
        seed=1,
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.SGD(0.05, momentum=0.9), loss)
    values = [torch.tensor(w) for w in model.get_weights()]
    kernel, gamma, beta, mean, variance, kernel_2, bias_2, gamma_2, beta_2, w, b = values
    trained = [v for v in values if v is not mean and v is not variance]
    for tensor in trained:
        tensor.requires_grad_()
    theirs = torch.optim.SGD(trained, 0.05, momentum=0.9)

    def forward(batch, training):
        a = torch.from_numpy(batch).permute(0, 3, 1, 2)
        a = F.conv2d(a, kernel.permute(3, 2, 0, 1), padding=1)
        if training:  # PyTorch's running variance is the unbiased one, Keras's and ours is not
            n = a.numel() // a.shape[1]
            with torch.no_grad():
                mean.lerp_(a.mean((0, 2, 3)), 0.1)
                variance.lerp_(a.var((0, 2, 3)) * (n - 1) / n, 0.1)
            a = F.batch_norm(a, None, None, gamma, beta, training=True, eps=1e-5)
        else:
            a = F.batch_norm(a, mean, variance, gamma, beta, eps=1e-5)
        a = F.max_pool2d(torch.relu(a), 2)
        a = F.avg_pool2d(torch.tanh(F.conv2d(a, kernel_2.permute(3, 2, 0, 1), bias_2, stride=(2, 1))), 2)
        a = F.layer_norm(a.permute(0, 2, 3, 1).flatten(1), gamma_2.shape, gamma_2, beta_2, eps=1e-5)
        return a @ w + b

    for step in range(20):
        rows = slice(step * 16 % 64, step * 16 % 64 + 16)
        value = F.cross_entropy(forward(x[rows], True), torch.from_numpy(y[rows]))
        theirs.zero_grad()
        value.backward()
        theirs.step()
        assert float(model.train_on_batch(x[rows], y[rows])) == pytest.approx(value.item(), rel=1e-3)
    for ours, tensor in zip(model.get_weights(), values, strict=True):
        np.testing.assert_allclose(ours, tensor.detach().numpy(), rtol=1e-3, atol=2e-4)
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(x), forward(x, False).numpy(), rtol=2e-3, atol=2e-3)
