"""torchvision's ResNet-18 with random weights, to measure speed: `--model docs/results/resnet18.py:resnet18`."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import resnet18 as network

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resnet18() -> nn.Module:
    torch.manual_seed(0)
    net = network()
    net.rhoscope = {"kind": "softmax", "channels": 3, "size": 224, "resize": 256, "mean": MEAN, "std": STD}
    return net
