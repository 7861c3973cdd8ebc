"""Fashion-MNIST: 70,000 photographs of clothes, a harder replacement for MNIST."""

from __future__ import annotations

from nnc.datasets import _store

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

MIRRORS = (
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)

# Debian's package dataset-fashion-mnist
FOLDERS = ("/usr/share/datasets/fashion-mnist",)

# of the uncompressed files, in the order of _store.SHAPES
SHA256 = (
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)


def load_fashion_mnist(folder: _store.Folder | None = None) -> _store.Split:
    """Fashion-MNIST: 60,000 images of clothes to train on and 10,000 to test on.

    The four files have the same names as those of MNIST: ``train-images-idx3-ubyte``,
    ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, plain or as
    ``.gz``. They are searched for in these places:

    1. `folder` and its subfolder ``fashion_mnist``; if given, nowhere else;
    2. the folder that the environment variable NNC_DATA_DIR names, and its subfolder ``fashion_mnist``;
    3. nnc's cache: ``$XDG_CACHE_HOME/nnc/fashion_mnist``, else ``nnc/fashion_mnist`` in the platform's cache
       folder;
    4. ``/usr/share/datasets/fashion-mnist``, where Debian's package dataset-fashion-mnist installs them.

    Missing files are downloaded into the cache (31 MB in all) with a progress bar. The SHA-256 of the content
    is checked wherever a file comes from.

    Parameters
    ----------
    folder : str or path, optional
        A folder that contains the files.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x : ndarray of shape (n, 28, 28), uint8, 0 the background; y : ndarray of shape (n,), uint8, 0 to 9,
        named in ``nnc.datasets.fashion_mnist.CLASS_NAMES``. n is 60,000 and 10,000.

    Raises
    ------
    FileNotFoundError
        If `folder` is given and lacks a file.
    FormatError
        If a file is damaged, or not a file of Fashion-MNIST.
    ConnectionError
        If a download fails; the message explains how to install the files without a network.

    Notes
    -----
    H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms, arXiv:1708.07747 (2017). Licence: MIT. Keras: ``keras.datasets.fashion_mnist.load_data``.

    Examples
    --------
    >>> from nnc import datasets
    >>> (x_train, y_train), (x_test, y_test) = datasets.load_fashion_mnist()
    >>> x_train.shape, x_train.dtype
    ((60000, 28, 28), dtype('uint8'))
    >>> datasets.fashion_mnist.CLASS_NAMES[y_test[0]]
    'Ankle boot'
    """
    return _store.load("fashion_mnist", "Fashion-MNIST", SHA256, MIRRORS, folder, FOLDERS)


load_data = load_fashion_mnist
