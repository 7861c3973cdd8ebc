"""The net and schedule of mnist98.py in PyTorch at its fastest: preloaded data, fused SGD, denormals flushed.

python benchmarks/mnist98_torch.py [--seed N] [--threads N] [--data FOLDER]
"""

import gzip

import mnist98_settings as settings
import numpy as np
import torch


def read(folder, name, header):
    with gzip.open(folder / f"{name}.gz") as file:
        return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=header).copy())


def images_and_labels(folder, part):
    images = read(folder, f"{part}-images-idx3-ubyte", 16).reshape(-1, 784)
    return images.float().div_(255), read(folder, f"{part}-labels-idx1-ubyte", 8).long()


def main():
    options = settings.parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)

    x, y = images_and_labels(options.data, "train")
    net = torch.nn.Sequential(
        torch.nn.Linear(784, settings.HIDDEN), torch.nn.ReLU(), torch.nn.Linear(settings.HIDDEN, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=settings.RATE, momentum=settings.MOMENTUM, fused=True)
    steps = settings.EPOCHS * -(-len(x) // settings.BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: settings.rate(t, steps))
    for _ in range(settings.EPOCHS):
        for rows in torch.randperm(len(x)).split(settings.BATCH):
            loss = torch.nn.functional.cross_entropy(net(x[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    x, y = images_and_labels(options.data, "t10k")
    with torch.inference_mode():
        accuracy = (net(x).argmax(dim=1) == y).float().mean().item()
    print(f"test accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
