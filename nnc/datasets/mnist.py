"""MNIST: 70,000 handwritten digits."""

from __future__ import annotations

from nnc.datasets import _store

CLASS_NAMES = tuple("0123456789")

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

# of the uncompressed files, in the order of _store.SHAPES
SHA256 = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)


def load_mnist(folder: _store.Folder | None = None) -> _store.Split:
    """MNIST: 60,000 handwritten digits to train on and 10,000 to test on.

    The four files, ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
    ``t10k-labels-idx1-ubyte``, plain or as ``.gz``, are searched for in these places:

    1. `folder` and its subfolder ``mnist``; if given, nowhere else;
    2. the folder that the environment variable NNC_DATA_DIR names, and its subfolder ``mnist``;
    3. nnc's cache: ``$XDG_CACHE_HOME/nnc/mnist``, else ``nnc/mnist`` in the platform's cache folder.

    Missing files are downloaded into the cache (11 MB in all) with a progress bar. The SHA-256 of the content
    is checked wherever a file comes from.

    Parameters
    ----------
    folder : str or path, optional
        A folder that contains the files. (The argument of Keras's ``load_data`` is a file name in its cache.)

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x : ndarray of shape (n, 28, 28), uint8, 0 for the background and 255 for the ink; y : ndarray of
        shape (n,), uint8, 0 to 9. n is 60,000 and 10,000.

    Raises
    ------
    FileNotFoundError
        If `folder` is given and lacks a file.
    FormatError
        If a file is damaged, or not a file of MNIST.
    ConnectionError
        If a download fails; the message explains how to install the files without a network.

    Notes
    -----
    Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits. Licence: CC BY-SA 3.0.
    Keras: ``keras.datasets.mnist.load_data``.

    Examples
    --------
    >>> from nnc import datasets
    >>> (x_train, y_train), (x_test, y_test) = datasets.load_mnist()
    >>> x_train.shape, x_train.dtype, y_test[:5].tolist()
    ((60000, 28, 28), dtype('uint8'), [7, 2, 1, 0, 4])
    """
    return _store.load("mnist", "MNIST", SHA256, MIRRORS, folder)


load_data = load_mnist
