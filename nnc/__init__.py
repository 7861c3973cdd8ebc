"""nnc: small neural networks on a CPU."""
