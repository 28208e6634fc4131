"""Settings of every test."""

import torch

# Many threads waiting for each other on a machine that builds at the same time made small tests 40 times slower.
torch.set_num_threads(1)
