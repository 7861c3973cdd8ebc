"""Losses of probabilities and of rates: negative log-likelihoods and divergences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from nnc import _config
from nnc.losses.base import Loss, LossOptions


class _Crossentropy(Loss):
    """Common options of the cross-entropies on rows: logits and label smoothing."""

    saved = False
    probabilities = True

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, **options: Unpack[LossOptions]
    ) -> None:
        super().__init__(**options)
        self.from_logits = _config.boolean("from_logits", from_logits)
        self.label_smoothing = _config.number("label_smoothing", label_smoothing, "[0, 1]")


class BinaryCrossentropy(_Crossentropy):
    """l = mean_j -(y_j log p_j + (1 - y_j) log(1 - p_j)), p = a, or sigmoid(a) if the outputs are logits.

    Parameters
    ----------
    from_logits : bool
        Whether the outputs are logits. If not, they are probabilities, clipped to [1e-7, 1 - 1e-7]; those of
        a final sigmoid are not clipped, as the loss is then computed from the sigmoid's argument.
    label_smoothing : float
        s in [0, 1]: y becomes y (1 - s) + s / 2.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]]), 6)
    0.693147
    """

    aliases = ("bce",)
    rule = "binary_crossentropy"
    target_range = (0.0, 1.0)


class CategoricalCrossentropy(_Crossentropy):
    """l = -sum_j y_j log p_j, p = a, or softmax(a) if the outputs are logits; y are rows, such as one-hot.

    Parameters
    ----------
    from_logits : bool
        Whether the outputs are logits. If not, they are probabilities, clipped to [1e-7, 1 - 1e-7]; those of
        a final softmax are not clipped, as the loss is then computed from the softmax's argument.
    label_smoothing : float
        s in [0, 1]: y becomes y (1 - s) + s / n_outputs.
    normalize : bool
        Whether each row of probabilities is first divided by its sum, as in Keras. (False, which Keras does
        not have, uses them unchanged.)

    Examples
    --------
    >>> from nnc import losses
    >>> y_true, y_pred = [[0, 1, 0]], [[0.05, 0.51, 0.18]]
    >>> round(losses.CategoricalCrossentropy()(y_true, y_pred), 6)
    0.372239
    >>> round(losses.CategoricalCrossentropy(normalize=False)(y_true, y_pred), 6)
    0.673345
    """

    aliases = ("cce",)
    added: ClassVar[Mapping[str, object]] = {"normalize": True}
    rule = "categorical_crossentropy"
    whole_rows = True

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        normalize: bool = True,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(from_logits, label_smoothing, **options)
        self.normalize = _config.boolean("normalize", normalize)
        self.param = float(self.normalize)


class SparseCategoricalCrossentropy(Loss):
    """l = -log p_t for the class id t, p = a, or softmax(a) if the outputs are logits.

    Parameters
    ----------
    from_logits, normalize : bool
        As in `CategoricalCrossentropy`.

    Examples
    --------
    >>> from nnc import losses
    >>> outputs = [[0.65, 0.43, 0.11], [0.05, 0.51, 0.18], [0.33, 0.21, 0.72]]
    >>> round(losses.SparseCategoricalCrossentropy()([0, 1, 2], outputs), 5)
    0.5122
    >>> round(losses.SparseCategoricalCrossentropy(normalize=False)([0, 1, 2], outputs), 5)
    0.47754
    """

    aliases = ("scce",)
    rule = "categorical_crossentropy"
    whole_rows = True
    targets = "ids"
    probabilities = True
    added: ClassVar[Mapping[str, object]] = {"normalize": True}

    def __init__(
        self,
        from_logits: bool = False,
        *,
        normalize: bool = True,
        ignore_class: None = None,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.normalize = _config.boolean("normalize", normalize)
        self.param = float(self.normalize)
        self.from_logits = _config.boolean("from_logits", from_logits)
        if ignore_class is not None:
            raise _config.refusal("ignore_class", "None (give those rows the sample weight 0)", ignore_class)


class BinaryFocalCrossentropy(_Crossentropy):
    """l = mean_j w_j q_j^gamma c_j, c the binary cross-entropy and q_j = y_j (1 - p_j) + (1 - y_j) p_j.

    Outputs that are already correct contribute little.

    Parameters
    ----------
    apply_class_balancing : bool
        Whether w_j is alpha where y_j is 1 and 1 - alpha where it is 0, instead of 1.
    alpha : float
        In [0, 1].
    gamma : float
        At least 0; with 0 the loss is the cross-entropy.
    from_logits, label_smoothing
        As in `BinaryCrossentropy`.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.BinaryFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 6)
    0.173287

    References
    ----------
    Lin et al., "Focal loss for dense object detection", 2017. Keras: BinaryFocalCrossentropy.
    """

    rule = "binary_focal_crossentropy"
    target_range = (0.0, 1.0)

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(from_logits, label_smoothing, **options)
        self.apply_class_balancing = _config.boolean("apply_class_balancing", apply_class_balancing)
        self.alpha = _config.number("alpha", alpha, "[0, 1]")
        self.gamma = self.param = _config.number("gamma", gamma, "[0, inf)")

    def spec(self) -> dict[str, Any]:
        of_0, of_1 = (1.0 - self.alpha, self.alpha) if self.apply_class_balancing else (1.0, 1.0)
        return super().spec() | {"of_0": of_0, "of_1": of_1}


class CategoricalFocalCrossentropy(_Crossentropy):
    """l = -alpha sum_j y_j (1 - p_j)^gamma log p_j, p = a / sum a, or softmax(a) of logits; y are rows.

    Parameters
    ----------
    alpha : float
        In [0, 1], the same for all classes.
    gamma : float
        At least 0; with 0 the loss is alpha times the cross-entropy.
    from_logits, label_smoothing
        As in `CategoricalCrossentropy`.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.CategoricalFocalCrossentropy()([[0, 1]], [[0.5, 0.5]]), 6)
    0.043322

    References
    ----------
    Lin et al., "Focal loss for dense object detection", 2017. Keras: CategoricalFocalCrossentropy.
    """

    rule = "categorical_focal_crossentropy"
    whole_rows = True

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(from_logits, label_smoothing, **options)
        self.alpha = _config.number("alpha", alpha, "[0, 1]")
        self.gamma = self.param = _config.number("gamma", gamma, "[0, inf)")

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"of_1": self.alpha}


class KLDivergence(Loss):
    """l = sum_j y_j log(y_j / a_j), y and a clipped to [1e-7, 1].

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]), 6)
    0.143841
    """

    identifier = "kl_divergence"
    aliases = ("kld", "kullback_leibler_divergence")
    rule = "kl_divergence"
    probabilities = True
    target_range = (0.0, 1.0)


class Poisson(Loss):
    """l = mean_j (a_j - y_j log(a_j + 1e-7)), for counts y and rates a.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.Poisson()([[2.0]], [[1.0]]), 6)
    1.0
    """

    rule = "poisson"
